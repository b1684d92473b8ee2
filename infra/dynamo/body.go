package dynamo

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

const (
	plain    = 0 // the item has no AttrEncoding
	deflated = 1

	minDeflate = 200       // bytes; shorter bodies hardly shrink
	maxBody    = 390 << 10 // bytes; see tenants.Row
)

// bodies encodes and decodes bodies. It reuses compressors because they are large.
type bodies struct{ writers, readers sync.Pool }

// encode returns the stored form of body and its encoding. The result may be body itself.
func (c *bodies) encode(body []byte) (stored []byte, encoding int) {
	if len(body) < minDeflate {
		return body, plain
	}
	var buf bytes.Buffer
	buf.Grow(len(body) / 2)
	w, ok := c.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&buf)
	} else {
		w, _ = flate.NewWriter(&buf, flate.DefaultCompression) // fails only for an unknown level
	}
	defer c.writers.Put(w)
	if _, err := w.Write(body); err != nil || w.Close() != nil || buf.Len() > len(body)*9/10 {
		return body, plain
	}
	return buf.Bytes(), deflated
}

// decode is the inverse of encode. The result may be stored itself.
func (c *bodies) decode(stored []byte, encoding int) ([]byte, error) {
	switch encoding {
	case plain:
		if stored == nil {
			stored = []byte{}
		}
		return stored, nil
	case deflated:
		from := bytes.NewReader(stored)
		r, ok := c.readers.Get().(io.Reader)
		if !ok {
			r = flate.NewReader(from)
		} else if err := r.(flate.Resetter).Reset(from, nil); err != nil {
			return nil, err
		}
		defer c.readers.Put(r)
		body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
		if err == nil && len(body) > maxBody {
			err = fmt.Errorf("the body has more than %d bytes", maxBody)
		}
		return body, err
	default:
		return nil, fmt.Errorf("the encoding %d is unknown", encoding)
	}
}
