package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Recovery has an endpoint get what it has missed.
type Recovery interface {
	// Recover begins to deliver to the endpoint what it has not got of the events since then, and returns the id of the replay. No such
	// endpoint: NotFound.
	Recover(ctx context.Context, t tenants.TenantID, endpoint string, since time.Time) (id string, err error)
}

// endpointAttempt is what came of one request to an endpoint's server.
type endpointAttempt struct {
	Status    int                 `json:"status"`
	Failure   string              `json:"failure"`
	Took      int64               `json:"took_ms"`
	Header    map[string][]string `json:"headers"`
	Body      string              `json:"body"`
	Encoding  string              `json:"encoding,omitempty"`
	Truncated bool                `json:"truncated"`
}

func viewAttempt(a tenants.Answer) *endpointAttempt {
	v := &endpointAttempt{Status: a.Status, Failure: string(a.Failure), Took: a.Took.Milliseconds(), Header: a.Header, Body: string(a.Body), Truncated: a.Truncated}
	if v.Header == nil {
		v.Header = map[string][]string{}
	}
	if !utf8.Valid(a.Body) {
		v.Body, v.Encoding = base64.StdEncoding.EncodeToString(a.Body), "base64"
	}
	return v
}

// proveWithin is how long whoever creates an endpoint waits for its answer to the challenge. It can be tried again.
const proveWithin = 5 * time.Second

// prove tries the ownership challenge on an endpoint that is pending. What comes of it changes nothing of the call's own success.
func (a *API) prove(c *call, e tenants.Endpoint) (tenants.Endpoint, *endpointAttempt) {
	if e.State != tenants.EndpointPending {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, proveWithin)
	defer cancel()
	now, came, _, err := a.verify(ctx, e)
	if err != nil {
		return e, nil
	}
	return now, viewAttempt(came)
}

// verify is the Probe's Verify, behind which an ordered endpoint goes on where it stood.
func (a *API) verify(ctx context.Context, e tenants.Endpoint) (now tenants.Endpoint, came tenants.Answer, proven bool, err error) {
	now, came, proven, err = a.Probe.Verify(ctx, e)
	if err == nil && proven {
		err = a.Deliveries.Resume(ctx, now)
	}
	return now, came, proven, err
}

// verificationView says whether an endpoint's URL is proven.
type verificationView struct {
	Verified bool             `json:"verified"`
	State    string           `json:"state"`
	Attempt  *endpointAttempt `json:"attempt"`
}

func (a *API) verifyEndpoint(c *call) (answer, error) {
	given, has := c.fields.text("challenge"), c.fields.has("challenge")
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	if has {
		if e, err = a.Endpoints.Prove(c.ctx, e, given); err == nil {
			err = a.Deliveries.Resume(c.ctx, e)
		}
		if err != nil {
			return answer{}, err
		}
		return answer{http.StatusOK, verificationView{Verified: true, State: string(e.State)}}, nil
	}
	e, came, proven, err := a.verify(c.ctx, e)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, verificationView{Verified: proven, State: string(e.State), Attempt: viewAttempt(came)}}, nil
}

// endpointTestView is what came of a test, and whether the endpoint would get such an event: null where none was given.
type endpointTestView struct {
	*endpointAttempt
	Delivered   bool   `json:"delivered"`
	Matches     *bool  `json:"matches"`
	FilterError string `json:"filter_error,omitempty"`
}

func (a *API) testEndpoint(c *call) (answer, error) {
	ev, err := testEventOf(c.fields)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	var v endpointTestView
	if ev != nil {
		matches, err := a.Endpoints.Matches(e, *ev)
		if failed, ok := errors.AsType[*tenants.Error](err); ok && failed.Kind == tenants.Unprocessable {
			v.FilterError = failed.Detail
		} else if err != nil {
			return answer{}, err
		}
		v.Matches = &matches
	}
	came, err := a.Probe.Test(c.ctx, e, ev)
	if err != nil {
		return answer{}, err
	}
	v.endpointAttempt = viewAttempt(came)
	v.Delivered = came.Failure == "" && came.Status >= 200 && came.Status < 300
	return answer{http.StatusOK, v}, nil
}

// recoveryView names the replay that a recovery has begun.
type recoveryView struct {
	ID string `json:"replay_id"`
}

func (a *API) recoverEndpoint(c *call) (answer, error) {
	c.fields.require("since")
	since := timeOf(c.fields, "since")
	if since.After(time.Now()) {
		c.fields.refuse("since", "lies in the future")
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	if a.Recovery == nil {
		return answer{}, tenants.Errorf(tenants.Unavailable, "recovery_unavailable", "this server delivers nothing")
	}
	id, err := a.Recovery.Recover(c.ctx, c.who.Tenant, e.ID, since)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, recoveryView{id}}, nil
}
