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
	"github.com/hookcast/hookcast/tenants"
)

// The variables that stand in for what login keeps.
const (
	envKey    = "HOOKCAST_KEY"
	envAPI    = "HOOKCAST_API"
	envStream = "HOOKCAST_STREAM"
)

// envProfile names one of several kept keys.
const envProfile = "HOOKCAST_PROFILE"

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// credentialsFile is where login keeps the key of the profile.
func (sh *shell) credentialsFile() (string, error) {
	name := "credentials.json"
	if sh.profile != "" {
		if !profileName.MatchString(sh.profile) {
			return "", failed(exitUsage, "%q is no name of a profile: it is of a-z, 0-9, - and _, and of 32 characters at most", sh.profile)
		}
		name = "credentials-" + sh.profile + ".json"
	}
	dir, err := sh.folder()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// loginLine is the command that keeps a key for the profile.
func (sh *shell) loginLine() string {
	if sh.profile == "" {
		return "hookcast login"
	}
	return "hookcast login -profile " + sh.profile
}

// kept reads what login has kept; fs.ErrNotExist where that is nothing.
func (sh *shell) kept() (c credentials, err error) {
	path, err := sh.credentialsFile()
	if err != nil {
		return c, err
	}
	b, err := privatefile.Read(path, maxSettings)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s is broken: run %s again", path, sh.loginLine())
	}
	return c, nil
}

// credentials say where Hookcast is and who asks.
type credentials struct {
	API    string `json:"api"`    // base URL
	Stream string `json:"stream"` // base URL of the streams; the same on one box
	Key    string `json:"key"`
}

// credentials reads what login has kept, and what the environment says instead. A kept key goes only to where it was kept for: a
// project's environment must not be able to send it elsewhere.
func (sh *shell) credentials() (c credentials, err error) {
	key, api, stream := sh.env(envKey), sh.env(envAPI), sh.env(envStream)
	if key != "" && sh.profile != "" {
		return c, failed(exitUsage, "both %s and the profile %s say who asks: use one of them", envKey, sh.profile)
	}
	if key == "" || api == "" {
		c, err = sh.kept()
		switch {
		case errors.Is(err, fs.ErrNotExist) && key != "":
			return c, failed(exitUsage, "%s says who asks, but nothing where: set %s too", envKey, envAPI)
		case errors.Is(err, fs.ErrNotExist):
			return c, failed(exitRefused, "there is no key here: run %s, or set %s and %s", sh.loginLine(), envKey, envAPI)
		case err != nil:
			return c, err
		}
		if key == "" && (api != "" && strings.TrimRight(api, "/") != c.API || stream != "" && strings.TrimRight(stream, "/") != c.Stream) {
			return c, failed(exitUsage, "%s or %s names another Hookcast than the one that the kept key is for: set %s too", envAPI, envStream, envKey)
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

// check holds the parts to their form. Its errors do not show the key.
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
	if err := tenants.CheckKeyFormat(c.Key); err != nil {
		return failed(exitRefused, "what was given as a key is none: it begins with hk_live_, and was shown once when it was made")
	}
	return nil
}

// checkBase refuses what is no base URL, and plain http to anywhere that is not plainly a network of one's own: the key goes there.
func checkBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return failed(exitUsage, "%q is no base URL such as https://hooks.example.com", base)
	}
	if u.Scheme == "http" && !ownNetwork(u.Hostname()) {
		return failed(exitUsage, "the key would go to %s in the clear: use https", u.Host)
	}
	return nil
}

// ownNetwork tells whether a host is this machine, a private address, or a name without a dot, which the public DNS has none of.
func ownNetwork(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback() || a.Unmap().IsPrivate()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
