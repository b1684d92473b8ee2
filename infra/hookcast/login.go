package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hookcast/hookcast/infra/privatefile"
)

// login keeps a key that holds. It is read from standard input, because an argument is in the shell's history and shown to every user of
// the machine.
func login(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("login")
	replace := f.Bool("replace", false, "put this key in the place of one that is kept for another Hookcast")
	api := f.String("api", "http://localhost:8080", "`base URL` of the API")
	stream := f.String("stream", "", "`base URL` of the streams, where it is another one")
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return failed(exitUsage, "the key is read from standard input, not from the arguments")
	}
	c := credentials{API: *api, Stream: *stream}
	if c.Key, err = sh.askKey(ctx); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	path, err := sh.credentialsFile()
	if err != nil {
		return err
	}
	if before, err := sh.kept(); err == nil && before.API != c.API && !*replace {
		return failed(exitUsage, "a key for %s is kept already, and was shown only once: -profile name keeps both, -replace forgets that one", before.API)
	}
	asks := newClient(sh, c)
	who, err := asks.whoAmI(ctx)
	if err != nil {
		return err
	}
	if err := asks.streams(ctx); err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := privatefile.ReplaceDurably(path, append(b, '\n')); err != nil {
		return err
	}
	if who.Name == "" {
		who.Name = "a key that may not read its tenant"
	}
	fmt.Fprintf(sh.stdout, "logged in at %s as %s; kept in %s\n", c.API, shown(who.Name), path)
	return nil
}

// askKey reads a line.
func (sh *shell) askKey(ctx context.Context) (string, error) {
	defer sh.hidden("API key: ")()
	line, err := input(ctx, func() ([]byte, error) {
		line, err := bufio.NewReader(io.LimitReader(sh.stdin, maxSettings)).ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	if err != nil {
		return "", err
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return "", failed(exitUsage, "no key came on standard input: paste one behind the prompt, or pipe it in")
	}
	return string(line), nil
}
