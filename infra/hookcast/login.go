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

// login checks and saves a key. It reads the key from standard input, because an argument ends up in the shell's
// history and is visible to every user of the machine.
func login(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("login")
	replace := f.Bool("replace", false, "replace a key that is saved for a different Hookcast")
	api := f.String("api", "http://localhost:8080", "`base URL` of the API")
	stream := f.String("stream", "", "`base URL` of the streams, if it differs")
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
	if before, err := sh.saved(); err == nil && before.API != c.API && !*replace {
		return failed(exitUsage,
			"a key for %s is already saved and cannot be shown again: -profile name saves both, -replace overwrites it",
			before.API)
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
		who.Name = "a key that cannot read its tenant"
	}
	fmt.Fprintf(sh.stdout, "logged in at %s as %s; saved in %s\n", c.API, printable(who.Name), path)
	return nil
}

// askKey reads the key, one line, from standard input.
func (sh *shell) askKey(ctx context.Context) (string, error) {
	defer sh.hideInput("API key: ")()
	line, err := awaitInput(ctx, func() ([]byte, error) {
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
		return "", failed(exitUsage, "no key on standard input: paste one at the prompt, or pipe it in")
	}
	return string(line), nil
}
