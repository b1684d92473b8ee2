package api

import (
	"context"
	"net/http"

	"github.com/hookcast/hookcast/tenants"
)

// page reads the query of a list.
func (a *API) page(c *call) (page, error) {
	return pageOf(c.query, func(cursor string) (string, error) { return a.Cursors.Open(c.who.Tenant, c.listName(), cursor) })
}

// listName tells one list from another, its path's ids included.
func (c *call) listName() string { return c.route.Method + " " + c.r.URL.Path }

// list is the body of every list.
type list struct {
	Data any     `json:"data"`
	Next *string `json:"next_cursor"` // nil: the list ends here
}

// listOf makes the body of a list from what was read, and the position to go on from, "" at the end.
func (a *API) listOf(c *call, data any, next string) answer {
	l := list{Data: data}
	if next != "" {
		sealed := a.Cursors.Seal(c.who.Tenant, c.listName(), next)
		l.Next = &sealed
	}
	return answer{http.StatusOK, l}
}

// listRows answers with the page of rows that the query asks for, each as view shows it.
func listRows[T, V any](a *API, c *call,
	read func(ctx context.Context, t tenants.TenantID, after string, limit int) ([]T, string, error), view func(T) V,
) (answer, error) {
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

// answerByID does something with the object that the path's id names, and answers with status and the object's view.
func answerByID[T, V any](c *call, prefix string, status int,
	do func(ctx context.Context, t tenants.TenantID, id string) (T, error), view func(T) V,
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

// deleteByID deletes the object that the path's id names.
func deleteByID(c *call, prefix string, del func(ctx context.Context, t tenants.TenantID, id string) error) (answer, error) {
	id, err := c.id("id", prefix)
	if err != nil {
		return answer{}, err
	}
	if err := del(c.ctx, c.who.Tenant, id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
