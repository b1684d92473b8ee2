package rig

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/job"
)

func (r *JobRig) CreateRun(t *testing.T, endpoints *endpoint.Endpoints, e endpoint.Endpoint, timeout time.Duration) job.Job {
	t.Helper()
	return Ok(r.Jobs.CreateRun(context.Background(), endpoints, r.Tenant, job.RunSpec{
		Spec: job.Spec{Timeout: timeout}, Endpoint: e.ID, Data: json.RawMessage(`{"year": 2026}`),
	}))(t)
}
