package egress_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

// The attacks: internal addresses in every notation, and URLs that mean something else than they seem to.
func TestURLsInDisguiseAreRefusedAtCreation(t *testing.T) {
	for _, raw := range []string{
		"https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://localhost/", "https://LOCALHOST./",
		"https://a.localhost/", "https://0.0.0.0/", "https://0/",
		"https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
		"https://[::127.0.0.1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/",
		"https://0x7f.1/", "https://0x7f000001/", "https://0X7F.0.0.1/", "https://2130706433/", "https://017700000001/",
		"https://0177.0.0.1/", "https://127.0.0.1./",
		"https://127.0.0.01/", "https://1.2.3/", "https://1.2.3.4.5/", "https://256.256.256.256/",
		"https://99999999999999999999/", "https://example.0x/", "https://example.08/",
		"https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://169.254.170.2/",
		"https://metadata.google.internal/", "https://metadata/",
		"https://instance-data/", "https://a.internal/", "https://printer.local/", "https://router.lan/",
		"https://nas.home.arpa/", "https://a.onion/",
		"https://100.64.0.1/", "https://198.18.0.1/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::a00:1]/",
		"https://[2002:7f00:1::]/", "https://[2001::1]/",
		"https://[fe80::1%25eth0]/", "https://[fe80::1]/", "https://224.0.0.1/", "https://255.255.255.255/",
		"https://168.63.129.16/",
		"https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://１２７.0.0.1/", "https://ｌocalhost/",
		"https://bücher.example/", "https://%31%32%37.0.0.1/", "https://127.0.0.1%00.example.com/",
		"https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/",
		"https://example.com@127.0.0.1/", "https://127.0.0.1\\@example.com/", "https://example.com#@127.0.0.1/",
		"https://example.com/#", "https://example.com/#a", "http://example.com/", "ftp://example.com/",
		"file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)",
		"unix:///run/docker.sock", "//example.com/", "/path", "example.com", "https:", "https://", "https:///path",
		"https:example.com", "https://:443/", "https://./", "https://../",
		"https://example..com/", "https://-a.example.com/", "https://a-.example.com/", "https://exa mple.com/",
		"https://exam\tple.com/", "https://example.com/\r\nHost: x", " https://example.com/",
		"https://example.com:22/", "https://example.com:25/", "https://example.com:80/", "https://example.com:0/",
		"https://example.com:65536/", "https://example.com:-1/", "https://example.com:/",
		"https://example.com:6379/", "https://example.com:6667/", "https://example.com:0443/",
		"https://example.com:443443/", "https://example.com:%34%34%33/",
		"https://" + strings.Repeat("a", 64) + ".example.com/", "https://" + strings.Repeat("a.", 127) + "example.com/",
		"https://example.com/" + strings.Repeat("a", 2048),
		"https://example.com/" + strings.Repeat("a", 64<<10), "https://example.com/%zz", "https://[::1",
		"https://[example.com]/", "https://hooks.example.org/in", "https://HOOKS.example.org.:8443/",
		"",
	} {
		w := newWire(t, egress.Options{OwnHosts: []string{"hooks.example.org"}}, nil)
		for name := range map[string]bool{"hooks.example.org.": true, "a.internal.": true} {
			w.names.answers[name] = [][]string{{public}}
		}
		got, err := w.CheckURL(t.Context(), raw)
		if err == nil {
			t.Errorf("%.80q is accepted as %q, want it refused", raw, got)
			continue
		}
		e := err.(*tenants.Error)
		if e.Kind != tenants.Unprocessable || e.Code != "invalid_url" || e.Detail == "" || len(e.Fields) != 1 ||
			e.Fields[0].Pointer != "/url" {
			t.Errorf("%.80q: got %+v, want invalid_url", raw, e)
		}
		a := w.Send(t.Context(), to(raw))
		if a.Failure != tenants.FailureURL && a.Failure != tenants.FailureBlocked || len(w.dialled()) != 0 {
			t.Errorf("%.80q is dialed: %+v", raw, a)
		}
	}
}

func TestURLsHaveOneForm(t *testing.T) {
	w := newWire(t, egress.Options{}, nil)
	for raw, want := range map[string]string{
		"https://example.com":                      "https://example.com/",
		"HTTPS://Example.COM./a?b=c":               "https://example.com/a?b=c",
		"https://example.com:443/":                 "https://example.com/",
		"https://example.com:8443/a%2Fb":           "https://example.com:8443/a%2Fb",
		"https://example.com/?":                    "https://example.com/",
		"https://xn--bcher-kva.example/":           "https://xn--bcher-kva.example/",
		"https://8.8.8.8/":                         "https://8.8.8.8/",
		"https://[2606:4700:0000::1111]:8443/":     "https://[2606:4700::1111]:8443/",
		"https://[2606:4700::1111]/":               "https://[2606:4700::1111]/",
		"https://[::ffff:8.8.8.8]/":                "https://8.8.8.8/",
		"https://hooks_1.example.com/":             "https://hooks_1.example.com/",
		"https://name.that.is.not.there.yet.com/x": "https://name.that.is.not.there.yet.com/x",
		"https://localhost.example.com/":           "https://localhost.example.com/",
		"https://0x7f.example.com/":                "https://0x7f.example.com/",
	} {
		got, err := w.CheckURL(t.Context(), raw)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestDevelopmentURLs(t *testing.T) {
	w := newWire(t, egress.Options{AllowPrivate: true, OwnHosts: []string{"127.0.0.1:8080"}}, nil)
	for raw, allowed := range map[string]bool{
		"http://127.0.0.1:9999/": true, "http://localhost:80/": true, "http://[::1]:22/": true, "http://db:5432/": true,
		"https://10.0.0.1/": true, "http://a.internal/": true,
		"http://127.0.0.1:8080/in/x": false, "http://169.254.169.254/": false, "http://2130706433/": false,
		"http://user@localhost/": false, "ftp://localhost/": false,
	} {
		if _, err := w.CheckURL(t.Context(), raw); (err == nil) != allowed {
			t.Errorf("%s: got %v, want accepted: %v", raw, err, allowed)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://example.com/", "https://[::1]:80/", "https://0x7f.1/", "https://a@b/",
		"https://EXAMPLE.com.:8443/?q#f", "https://1.1.1.1", "https://xn--a/"} {
		f.Add(s)
	}
	e := egress.New(egress.Options{Resolver: &names{}})
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := e.CheckURL(t.Context(), raw)
		if err != nil {
			if tenants.CodeOf(err) != "invalid_url" {
				t.Fatal(err)
			}
			return
		}
		if again, err := e.CheckURL(t.Context(), got); err != nil || again != got {
			t.Fatalf("%q becomes %q, and that %q, %v", raw, got, again, err)
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Host == "" ||
			strings.ToLower(u.Host) != u.Host {
			t.Fatalf("%q becomes %q", raw, got)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && (!a.IsGlobalUnicast() || a.IsPrivate()) {
			t.Fatalf("%q is accepted", raw)
		}
	})
}
