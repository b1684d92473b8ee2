package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

// auditTime is how long an answer may wait for its entry.
const auditTime = 5 * time.Second

// identified is an answer's body with an id, which the audit entry about its creation names.
type identified interface{ objectID() string }

// handle calls the route's function and records the change in the audit log.
func (a *API) handle(c *call) (answer, error) {
	out, err := c.route.handle(a, c)
	if err == nil && c.route.Audit != "" {
		a.addAuditEntry(c, out)
	}
	return out, err
}

// addAuditEntry adds an entry about the change that c has made. The change is already in effect, so the entry does
// not depend on the client's connection, and one that cannot be written goes to the process's log instead.
func (a *API) addAuditEntry(c *call, out answer) {
	e := account.AuditEntry{
		Time: time.Now().UTC(), Actor: c.who.KeyID, Action: c.route.Audit, Object: objectOf(c, out),
		IP: a.ClientAddr(c.r).Unmap().String(), RequestID: c.requestID,
	}
	logs := []tenants.TenantID{c.who.Tenant}
	switch made, signedUp := out.body.(newTenantView); {
	case signedUp && c.who.Operator:
		e.Actor, logs = account.ActorOperator, []tenants.TenantID{tenants.System, made.Tenant.ID}
	case signedUp:
		e.Actor, logs = account.ActorSignup, []tenants.TenantID{tenants.System, made.Tenant.ID}
	case c.who.Operator:
		e.Actor, logs = account.ActorOperator, []tenants.TenantID{tenants.System, tenants.TenantID(c.r.PathValue("id"))}
	}
	if c.route.ends { // the tenant's own log is deleted with it
		logs = []tenants.TenantID{tenants.System}
		if e.Object == "" {
			e.Object = string(c.who.Tenant)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), auditTime)
	defer cancel()
	err := a.Audit.Add(ctx, e, logs...)
	for try := 0; try < 2 && err != nil; try++ {
		err = a.Audit.Add(ctx, e, logs...)
	}
	if err != nil {
		a.Logger.Error("an audit entry was not written", "tenants", logs, "actor", e.Actor, "action", e.Action,
			"object", e.Object, "ip", e.IP,
			"request_id", e.RequestID, "error", err.Error())
	}
}

// objectOf names the changed object by the ids in the path and, if the object is new, by the id in the answer.
func objectOf(c *call, out answer) (object string) {
	for _, name := range []string{"id", "channel", "secret"} {
		if value := c.r.PathValue(name); value != "" {
			object += "/" + value
		}
	}
	if made, ok := out.body.(identified); ok && out.status == http.StatusCreated {
		object += "/" + made.objectID()
	}
	if object == "" {
		return ""
	}
	return object[1:]
}

type auditView struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Actor     string    `json:"actor"`
	Action    string    `json:"action"`
	Object    string    `json:"object"`
	IP        string    `json:"ip"`
	RequestID string    `json:"request_id"`
}

// listAudit shows the caller's log: a tenant's, or the operator's own.
func (a *API) listAudit(c *call) (answer, error) {
	return listRows(a, c, a.Audit.List, func(e account.AuditEntry) auditView {
		return auditView{e.ID, e.Time.UTC(), e.Actor, e.Action, e.Object, e.IP, e.RequestID}
	})
}

func (v sourceView) objectID() string    { return v.ID }
func (v secretView) objectID() string    { return v.ID }
func (v keyView) objectID() string       { return v.ID }
func (v newTenantView) objectID() string { return string(v.Tenant.ID) }
