package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// Recovery delivers events to an endpoint that has missed them.
type Recovery interface {
	// Recover starts a replay of the events since then that the endpoint did not receive, and returns the replay's
	// id. The error is of kind NotFound if there is no such endpoint.
	Recover(ctx context.Context, t tenants.TenantID, endpoint string, since time.Time) (id string, err error)
}

// endpointAttempt is the result of one request to an endpoint's server.
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
	v := &endpointAttempt{Status: a.Status, Failure: string(a.Failure), Took: a.Took.Milliseconds(), Header: a.Header,
		Body: string(a.Body), Truncated: a.Truncated}
	if v.Header == nil {
		v.Header = map[string][]string{}
	}
	if !utf8.Valid(a.Body) {
		v.Body, v.Encoding = base64.StdEncoding.EncodeToString(a.Body), "base64"
	}
	return v
}

// proveWithin bounds how long the creation of an endpoint waits for the answer to the ownership challenge.
const proveWithin = 5 * time.Second

// prove sends the ownership challenge to an endpoint that is pending. The call succeeds even if the challenge fails,
// because the caller can repeat it.
func (a *API) prove(c *call, e endpoint.Endpoint) (endpoint.Endpoint, *endpointAttempt) {
	if e.State != endpoint.Pending {
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

// verify calls the Probe's Verify. If the endpoint is proven, an ordered endpoint resumes from its position.
func (a *API) verify(
	ctx context.Context, e endpoint.Endpoint,
) (now endpoint.Endpoint, came tenants.Answer, proven bool, err error) {
	now, came, proven, err = a.Probe.Verify(ctx, e)
	if err == nil && proven {
		err = a.Deliveries.Resume(ctx, now)
	}
	return now, came, proven, err
}

// verificationView says whether the ownership of an endpoint's URL is proven.
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
	v := verificationView{Verified: proven, State: string(e.State), Attempt: viewAttempt(came)}
	return answer{http.StatusOK, v}, nil
}

// endpointTestView is the result of a test. Matches says whether the endpoint would receive the given event, null if
// there was none.
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

// recoveryView names the replay that a recovery has started.
type recoveryView struct {
	ID string `json:"replay_id"`
}

func (a *API) recoverEndpoint(c *call) (answer, error) {
	c.fields.require("since")
	since := timeOf(c.fields, "since")
	if since.After(time.Now()) {
		c.fields.refuse("since", "must not be in the future")
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	if a.Recovery == nil {
		return answer{}, tenants.Errorf(tenants.Unavailable, "recovery_unavailable",
			"this server does not make deliveries")
	}
	id, err := a.Recovery.Recover(c.ctx, c.who.Tenant, e.ID, since)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, recoveryView{id}}, nil
}
