package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/token"
)

// jobView is a job as answers show it.
type jobView struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Channel  string          `json:"channel"`
	State    string          `json:"state"`
	Percent  float64         `json:"percent"`
	Step     string          `json:"step"`
	Message  string          `json:"message"`
	Result   json.RawMessage `json:"result"`
	Error    *jobErrorView   `json:"error"`
	Timeout  int64           `json:"timeout_seconds"`
	Revision int64           `json:"revision"`
	Created  time.Time       `json:"created_at"`
	Reported time.Time       `json:"reported_at"`
	Ended    *time.Time      `json:"ended_at"`
}

type jobErrorView struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func viewJob(j job.Job) jobView {
	v := jobView{
		ID: j.ID, Name: j.Name, Channel: j.Channel, State: string(j.State), Percent: j.Percent, Step: j.Step,
		Message: j.Message, Result: j.Result, Timeout: seconds(j.Timeout), Revision: j.Revision,
		Created: j.Created.UTC(), Reported: j.Reported.UTC(), Ended: optionalTime(j.Ended),
	}
	if j.Error != nil {
		v.Error = &jobErrorView{j.Error.Code, j.Error.Message}
	}
	return v
}

// newJobView is a new job with the token for its browser and the URL for its worker. Neither is stored.
type newJobView struct {
	jobView
	Token     string `json:"token,omitempty"`
	ReportURL string `json:"report_url,omitempty"`
}

func (v newJobView) withoutSecrets() any {
	v.Token, v.ReportURL = "", ""
	return v
}

func (v newJobView) objectID() string { return v.ID }

// reportedView answers a report. Subscribers lets a worker stop if nobody follows the job.
type reportedView struct {
	ID          string  `json:"id"`
	State       string  `json:"state"`
	Percent     float64 `json:"percent"`
	Revision    int64   `json:"revision"`
	Subscribers int     `json:"subscribers"`
}

func (a *API) listJobs(c *call) (answer, error) {
	return listRows(a, c, a.Jobs.List, func(j job.Job) jobView {
		j.Result = nil // it may be large; the job itself shows it
		return viewJob(j)
	})
}

func (a *API) createJob(c *call) (answer, error) {
	c.fields.readOnly("id", "token", "report_url", "state", "percent", "result", "error", "revision", "created_at",
		"reported_at", "ended_at")
	spec := a.jobSpec(c)
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if err := a.allowJobChannel(c, spec.Channel); err != nil {
		return answer{}, err
	}
	j, err := a.Jobs.Create(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return a.showNewJob(c, j)
}

// runJob creates a job that an endpoint does. The caller needs the right to write to the endpoint.
func (a *API) runJob(c *call) (answer, error) {
	c.fields.require("endpoint")
	spec := job.RunSpec{Spec: a.jobSpec(c), Endpoint: c.fields.text("endpoint"), Data: c.fields.raw("data")}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if !tenants.ValidID(tenants.PrefixEndpoint, spec.Endpoint) {
		return answer{}, absent(tenants.PrefixEndpoint)
	}
	if err := a.allow(c, "endpoint:"+spec.Endpoint, access.Write); err != nil {
		return answer{}, err
	}
	if err := a.allowJobChannel(c, spec.Channel); err != nil {
		return answer{}, err
	}
	j, err := a.Jobs.CreateRun(c.ctx, a.Endpoints, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return a.showNewJob(c, j)
}

func (a *API) jobSpec(c *call) job.Spec {
	spec := job.Spec{Name: c.fields.text("name"), Channel: c.fields.text("channel")}
	if c.fields.has("timeout_seconds") {
		most := int64(job.MaxTimeout / time.Second)
		spec.Timeout = time.Duration(c.fields.integer("timeout_seconds", 1, most)) * time.Second
	}
	return spec
}

// allowJobChannel checks the caller's rights for a channel that the caller names. Other events can be in that
// channel, and the job's token can read all of them.
func (a *API) allowJobChannel(c *call, channel string) error {
	if channel == "" || !tenants.ValidChannel(channel) { // the domain refuses an invalid name
		return nil
	}
	for _, action := range []string{access.Publish, access.Subscribe} {
		if err := a.allow(c, access.Channel(channel), action); err != nil {
			return err
		}
	}
	return nil
}

// showNewJob mints the job's token, which can read the job's channel only, and answers with the job.
func (a *API) showNewJob(c *call, j job.Job) (answer, error) {
	made, err := a.Tokens.Mint(c.ctx, c.who.Tenant,
		token.Spec{Subject: j.ID, Channels: []string{j.Channel}, TTL: token.MaxTTL})
	if err != nil {
		return answer{}, err
	}
	reports := a.PublicURL + "/v1/reports/" + a.Jobs.Token(j)
	return answer{http.StatusCreated, newJobView{viewJob(j), made.Raw, reports}}, nil
}

func (a *API) getJob(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixJob, http.StatusOK, a.Jobs.Get, viewJob)
}

func (a *API) cancelJob(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixJob, http.StatusOK, a.Jobs.Cancel, viewJob)
}

func (a *API) progressJob(c *call) (answer, error) {
	return a.reportJob(c, func(r *job.Report) error { progressOf(c.fields, r); return nil })
}

func (a *API) logJob(c *call) (answer, error) {
	return a.reportJob(c, func(r *job.Report) error {
		c.fields.require("lines")
		linesOf(c.fields, r)
		return nil
	})
}

func (a *API) completeJob(c *call) (answer, error) {
	return a.reportJob(c, func(r *job.Report) error {
		r.Complete = true
		resultOf(c.fields, r)
		return nil
	})
}

func (a *API) failJob(c *call) (answer, error) {
	return a.reportJob(c, func(r *job.Report) error {
		c.fields.require("error")
		return errorOf(c.fields, r)
	})
}

// reportJob accepts a report made with an API key.
func (a *API) reportJob(c *call, read func(*job.Report) error) (answer, error) {
	id, err := c.id("id", tenants.PrefixJob)
	if err != nil {
		return answer{}, err
	}
	return a.report(c, c.who.Tenant, id, read)
}

// reportByToken accepts a report sent to the job's report URL. It may have progress, log lines and the end in one body.
func (a *API) reportByToken(c *call) (answer, error) {
	tenant, id, err := a.Jobs.OpenToken(c.r.PathValue("token"))
	if err != nil {
		return answer{}, err
	}
	if _, err := a.Accounts.Active(c.ctx, tenant); err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			err = absent(tenants.PrefixJob)
		}
		return answer{}, err
	}
	if a.Observe != nil {
		a.Observe(c.ctx, tenant)
	}
	return a.report(c, tenant, id, func(r *job.Report) error {
		progressOf(c.fields, r)
		linesOf(c.fields, r)
		if c.fields.has("error") {
			if c.fields.has("result") {
				c.fields.refuse("result", "must not be given together with error")
			}
			return errorOf(c.fields, r)
		}
		r.Complete = c.fields.has("result")
		resultOf(c.fields, r)
		return nil
	})
}

func (a *API) report(c *call, tenant tenants.TenantID, id string, read func(*job.Report) error) (answer, error) {
	var r job.Report
	if err := read(&r); err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	j, err := a.Jobs.Report(c.ctx, tenant, id, r)
	if err != nil {
		return answer{}, err
	}
	subscribers := a.Subscribers(c.ctx, tenant, j.Channel)
	return answer{http.StatusOK, reportedView{j.ID, string(j.State), j.Percent, j.Revision, subscribers}}, nil
}

func progressOf(f *fields, r *job.Report) {
	if raw := f.raw("percent"); raw != nil {
		p, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || p < 0 || p > 100 {
			f.refuse("percent", "must be a number from 0 to 100")
		}
		r.Percent = &p
	}
	r.Step = optional(f, "step", f.text)
	r.Message = optional(f, "message", f.text)
}

// linesOf reads log lines, which may contain control characters, unlike other texts.
func linesOf(f *fields, r *job.Report) {
	for _, raw := range f.array("lines", "strings", job.MaxLines) {
		var line *string
		if json.Unmarshal(raw, &line) != nil || line == nil {
			f.refuse("lines", "must be an array of strings")
			return
		}
		r.Lines = append(r.Lines, *line)
	}
}

func resultOf(f *fields, r *job.Report) {
	if raw := f.raw("result"); raw != nil && !f.isNull("result") {
		r.Result = raw
	}
}

// errorOf reads a job's error: a string, or an object with code and message.
func errorOf(f *fields, r *job.Report) error {
	raw := f.raw("error")
	if raw == nil {
		return nil
	}
	if raw[0] == '"' {
		r.Error = &job.Error{Message: f.text("error")}
		return nil
	}
	e, err := f.object("error")
	if err != nil || e == nil {
		return err
	}
	e.require("message")
	r.Error = &job.Error{Code: e.text("code"), Message: e.text("message")}
	e.refuseUnknown()
	return nil
}
