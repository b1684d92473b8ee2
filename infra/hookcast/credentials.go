package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants/account"
)

// Environment variables that override the saved credentials.
const (
	envKey    = "HOOKCAST_KEY"
	envAPI    = "HOOKCAST_API"
	envStream = "HOOKCAST_STREAM"
)

// envProfile names one of several saved keys.
const envProfile = "HOOKCAST_PROFILE"

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// credentialsFile returns the path of the file that holds the profile's key.
func (sh *shell) credentialsFile() (string, error) {
	name := "credentials.json"
	if sh.profile != "" {
		if !profileName.MatchString(sh.profile) {
			return "", failed(exitUsage,
				"%q is not a valid profile name: use 1 to 32 of a-z, 0-9, - and _, with a letter or a digit first",
				sh.profile)
		}
		name = "credentials-" + sh.profile + ".json"
	}
	dir, err := sh.folder()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// loginLine returns the command that saves a key for the profile.
func (sh *shell) loginLine() string {
	if sh.profile == "" {
		return "hookcast login"
	}
	return "hookcast login -profile " + sh.profile
}

// saved reads the credentials that login saved. The error is fs.ErrNotExist if there are none.
func (sh *shell) saved() (c credentials, err error) {
	path, err := sh.credentialsFile()
	if err != nil {
		return c, err
	}
	b, err := privatefile.Read(path, maxSettings)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("the credentials file %s is not valid JSON: run %s again", path, sh.loginLine())
	}
	return c, nil
}

// credentials hold an API key and the addresses that it is sent to.
type credentials struct {
	API    string `json:"api"`    // base URL
	Stream string `json:"stream"` // base URL of the streams; the same as API in a onebox deployment
	Key    string `json:"key"`
}

// credentials returns the saved credentials, overridden by the environment. A saved key is sent only to the Hookcast
// that it was saved for: a project's environment must not be able to send it elsewhere.
func (sh *shell) credentials() (c credentials, err error) {
	key, api, stream := sh.env(envKey), sh.env(envAPI), sh.env(envStream)
	if key != "" && sh.profile != "" {
		return c, failed(exitUsage, "both %s and the profile %s give a key: use one of them", envKey, sh.profile)
	}
	if key == "" || api == "" {
		c, err = sh.saved()
		switch {
		case errors.Is(err, fs.ErrNotExist) && key != "":
			return c, failed(exitUsage, "%s gives a key but no address: set %s too", envKey, envAPI)
		case errors.Is(err, fs.ErrNotExist):
			return c, failed(exitRefused, "no API key is saved: run %s, or set %s and %s", sh.loginLine(), envKey,
				envAPI)
		case err != nil:
			return c, err
		}
		if key == "" && (api != "" && strings.TrimRight(api, "/") != c.API ||
			stream != "" && strings.TrimRight(stream, "/") != c.Stream) {
			return c, failed(exitUsage,
				"%s or %s names a different Hookcast from the one that the saved key is for: set %s too", envAPI,
				envStream, envKey)
		}
	}
	if key != "" {
		c.Key = key
	}
	if api != "" {
		if c.API != strings.TrimRight(api, "/") {
			c.Stream = ""
		}
		c.API = api
	}
	if stream != "" {
		c.Stream = stream
	}
	return c, c.check()
}

// check normalizes the addresses and checks all fields. Its errors do not contain the key.
func (c *credentials) check() error {
	if c.Stream == "" {
		c.Stream = c.API
	}
	for _, base := range []*string{&c.API, &c.Stream} {
		*base = strings.TrimRight(*base, "/")
		if err := checkBase(*base); err != nil {
			return err
		}
	}
	if err := account.CheckKeyFormat(c.Key); err != nil {
		return failed(exitRefused,
			"the API key is malformed: a key begins with hk_live_ and is shown once, when it is created")
	}
	return nil
}

// checkBase accepts an absolute http or https URL without credentials, query or fragment. Because the key is sent
// there, plain http is accepted only for hosts that ownNetwork accepts.
func checkBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || !isHTTPAddress(u) || u.RawQuery != "" {
		return failed(exitUsage, "%q is not a base URL such as https://hooks.example.com", base)
	}
	if u.Scheme == "http" && !ownNetwork(u.Hostname()) {
		return failed(exitUsage, "the key would be sent to %s unencrypted: use https", u.Host)
	}
	return nil
}

// isHTTPAddress reports whether u is an absolute http or https URL with neither credentials nor a fragment.
func isHTTPAddress(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Fragment == ""
}

// ownNetwork reports whether host is this machine, a private address, or a name without a dot. Public DNS has no
// names without a dot.
func ownNetwork(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback() || a.Unmap().IsPrivate()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
