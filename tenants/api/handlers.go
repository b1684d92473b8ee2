package api

import (
	"context"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
)

// page reads the limit and the cursor of a list from the query.
func (a *API) page(c *call) (page, error) {
	return pageOf(c.query, func(cursor string) (string, error) {
		return a.Cursors.Open(c.who.Tenant, c.listName(), cursor)
	})
}

// listName identifies a list by its method and path, ids included, so that a cursor works for that list only.
func (c *call) listName() string { return c.route.Method + " " + c.r.URL.Path }

// list is the body of every list.
type list struct {
	Data any     `json:"data"`
	Next *string `json:"next_cursor"` // nil at the end of the list
}

// listOf returns an answer with one page of a list. next is the position to continue from, "" at the end.
func (a *API) listOf(c *call, data any, next string) answer {
	l := list{Data: data}
	if next != "" {
		sealed := a.Cursors.Seal(c.who.Tenant, c.listName(), next)
		l.Next = &sealed
	}
	return answer{http.StatusOK, l}
}

// pageReader reads up to limit rows of a tenant after a position. It returns the position to continue from, "" at the
// end.
type pageReader[T any] func(ctx context.Context, t tenants.TenantID, after string, limit int) ([]T, string, error)

// listRows answers with the page of rows that the query asks for, each converted by view.
func listRows[T, V any](a *API, c *call, read pageReader[T], view func(T) V) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	found, next, err := read(c.ctx, c.who.Tenant, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	views := make([]V, 0, len(found))
	for _, row := range found {
		views = append(views, view(row))
	}
	return a.listOf(c, views, next), nil
}

// answerByID calls do with the id in the path and answers with status and the view of the returned object.
func answerByID[T, V any](
	c *call, prefix string, status int, do func(context.Context, tenants.TenantID, string) (T, error), view func(T) V,
) (answer, error) {
	id, err := c.id("id", prefix)
	if err != nil {
		return answer{}, err
	}
	if c.fields != nil {
		if err := c.fields.err(); err != nil {
			return answer{}, err
		}
	}
	x, err := do(c.ctx, c.who.Tenant, id)
	if err != nil {
		return answer{}, err
	}
	return answer{status, view(x)}, nil
}

// deleteByID deletes the object with the id in the path.
func deleteByID(
	c *call, prefix string, del func(ctx context.Context, t tenants.TenantID, id string) error,
) (answer, error) {
	id, err := c.id("id", prefix)
	if err != nil {
		return answer{}, err
	}
	if err := del(c.ctx, c.who.Tenant, id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
