package emulator

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// KMS answers GenerateDataKey and Decrypt as AWS KMS does, for one symmetric key. It is an http.Handler, since no
// suitable program exists. A key is named by its id or its ARN, not by an alias. Requests must be signed; the
// signature is not checked.
//
// https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html and API_Decrypt.html describe the
// operations; the protocol is https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html.
type KMS struct {
	arn      string
	aead     cipher.AEAD
	disabled atomic.Bool
}

// NewKMS returns a KMS whose key has this ARN. A KMS with the same ARN and secret can decrypt in another process.
func NewKMS(arn string, secret []byte) (*KMS, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "kms "+arn, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &KMS{arn: arn, aead: aead}, nil
}

// SetEnabled enables or disables the key.
func (k *KMS) SetEnabled(enabled bool) { k.disabled.Store(!enabled) }

// kmsRequest is the input of both operations; byte slices are base64 in JSON.
type kmsRequest struct {
	KeyID               string `json:"KeyId"`
	EncryptionContext   map[string]string
	KeySpec             string
	NumberOfBytes       int
	CiphertextBlob      []byte
	EncryptionAlgorithm string
}

type kmsReply struct {
	KeyID               string `json:"KeyId"`
	Plaintext           []byte
	CiphertextBlob      []byte `json:",omitempty"`
	EncryptionAlgorithm string `json:",omitempty"`
}

// kmsError is an error of KMS, by name. All errors used here have status 400.
type kmsError struct{ name, message string }

func (e *kmsError) Error() string { return e.name + ": " + e.message }

// ServeHTTP implements http.Handler.
func (k *KMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := k.answer(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	var body any = reply
	if e, ok := errors.AsType[*kmsError](err); ok {
		w.WriteHeader(http.StatusBadRequest)
		body = map[string]string{"__type": e.name, "message": e.message}
	} else if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		body = map[string]string{"__type": "KMSInternalException", "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}

func (k *KMS) answer(r *http.Request) (*kmsReply, error) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		return nil, &kmsError{"MissingAuthenticationTokenException", "The request is not signed."}
	}
	var in kmsRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&in); err != nil {
		return nil, &kmsError{"SerializationException", "The request is not valid JSON for this operation."}
	}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.GenerateDataKey":
		return k.generate(in)
	case "TrentService.Decrypt":
		return k.decrypt(in)
	}
	return nil, &kmsError{"UnknownOperationException", "This KMS does not implement the operation."}
}

func (k *KMS) generate(in kmsRequest) (*kmsReply, error) {
	if err := k.usable(in.KeyID, "NotFoundException"); err != nil {
		return nil, err
	}
	size := map[string]int{"AES_256": 32, "AES_128": 16, "": in.NumberOfBytes}[in.KeySpec]
	if size < 1 || size > 1024 || in.KeySpec != "" && in.NumberOfBytes != 0 {
		return nil, &kmsError{"ValidationException", "Name a KeySpec or a NumberOfBytes from 1 to 1024."}
	}
	bound, err := k.bind(in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	key := make([]byte, size)
	rand.Read(key)
	return &kmsReply{KeyID: k.arn, Plaintext: key, CiphertextBlob: k.aead.Seal(nil, nil, key, bound)}, nil
}

func (k *KMS) decrypt(in kmsRequest) (*kmsReply, error) {
	if n := len(in.CiphertextBlob); n < 1 || n > 6144 {
		return nil, &kmsError{"ValidationException", "CiphertextBlob must have 1 to 6144 bytes."}
	}
	if in.KeyID == "" {
		in.KeyID = k.arn // the key of the ciphertext
	}
	if err := k.usable(in.KeyID, "IncorrectKeyException"); err != nil {
		return nil, err
	}
	bound, err := k.bind(in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	key, err := k.aead.Open(nil, nil, in.CiphertextBlob, bound)
	if err != nil {
		return nil, &kmsError{"InvalidCiphertextException", ""}
	}
	return &kmsReply{KeyID: k.arn, Plaintext: key, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

// usable returns an error unless id names the key and the key is enabled; an unknown id is the error other.
func (k *KMS) usable(id, other string) error {
	if id != k.arn && id != k.arn[strings.LastIndexByte(k.arn, '/')+1:] {
		return &kmsError{other, "The key does not exist."}
	}
	if k.disabled.Load() {
		return &kmsError{"DisabledException", k.arn + " is disabled."}
	}
	return nil
}

// bind returns the additional data that binds a ciphertext to the key and to its encryption context, whatever the
// order of its pairs.
func (k *KMS) bind(context map[string]string) ([]byte, error) {
	if context == nil {
		context = map[string]string{} // nil is equivalent to an empty context
	}
	return json.Marshal([]any{k.arn, context}) // JSON sorts a map's keys
}
