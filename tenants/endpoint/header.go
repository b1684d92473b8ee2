package endpoint

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/outgoing"
	"github.com/hookcast/hookcast/tenants/record"
)

// sealHeaders puts the headers into e.
func (s *Endpoints) sealHeaders(ctx context.Context, e *Endpoint, headers map[string]string) error {
	headers, err := outgoing.CheckHeaders(headers)
	if err != nil {
		return err
	}
	e.Headers, e.HeaderNames = nil, nil
	if len(headers) == 0 {
		return nil
	}
	e.HeaderNames = slices.Sorted(maps.Keys(headers))
	e.Headers, err = s.vault.Seal(ctx, e.Tenant, headersPurpose(e.ID), record.Encode(headers))
	return err
}

func (s *Endpoints) openHeaders(ctx context.Context, e Endpoint) (map[string]string, error) {
	if e.Headers == nil {
		return nil, nil
	}
	b, err := s.vault.Open(ctx, e.Tenant, headersPurpose(e.ID), e.Headers)
	if err != nil {
		return nil, err
	}
	var headers map[string]string
	if err := json.Unmarshal(b, &headers); err != nil {
		return nil, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
	}
	return headers, nil
}

func headersPurpose(endpoint string) string { return "endpoint-headers/" + endpoint }
