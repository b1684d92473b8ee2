package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// login keeps a key that holds. It is read from standard input, because an argument is in the shell's history and shown to every user of
// the machine.
func login(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("login")
	api := f.String("api", "http://localhost:8080", "`base URL` of the API")
	stream := f.String("stream", "", "`base URL` of the streams, where it is another one")
	rest, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return failed(exitUsage, "the key is read from standard input, not from the arguments")
	}
	c := credentials{API: *api, Stream: *stream}
	if c.Key, err = sh.askKey(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	who, err := newClient(sh, c).whoAmI(ctx)
	if err != nil {
		return err
	}
	dir, err := sh.folder()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, credentialsFile)
	if err := writePrivate(path, append(b, '\n')); err != nil {
		return err
	}
	if who.Name == "" {
		who.Name = "a key that may not read its tenant"
	}
	fmt.Fprintf(sh.stdout, "logged in at %s as %s; kept in %s\n", c.API, shown(who.Name), path)
	return nil
}

// askKey reads a line. A terminal does not show it where it can be told so.
func (sh *shell) askKey() (string, error) {
	if in, ok := sh.stdin.(*os.File); ok {
		if info, err := in.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprint(sh.stderr, "API key: ")
			if sh.stty(in, "-echo") == nil {
				defer fmt.Fprintln(sh.stderr)
				defer sh.stty(in, "echo")
			}
		}
	}
	line, err := bufio.NewReader(io.LimitReader(sh.stdin, maxSettings)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", failed(exitUsage, "no key came on standard input")
	}
	return line, nil
}

func (sh *shell) stty(terminal *os.File, setting string) error {
	cmd := exec.Command("stty", setting)
	cmd.Stdin = terminal
	return cmd.Run()
}
