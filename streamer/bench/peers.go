//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hookcast/hookcast/streamer/peers"
)

const nchanKeeps = 100 // events of a channel

func startNchan(s *server, dir string) error {
	setup, err := peers.Nchan(dir, nchanKeeps)
	if err != nil {
		return err
	}
	s.plain(setup.Addr)
	return s.run(dir, setup)
}

// startPushpin does not count the cost of the origin behind pushpin, which belongs to the user.
func (b *bench) startPushpin(s *server, dir string) error {
	origin := &server{name: "origin"}
	if err := b.startOwn(origin, dir); err != nil {
		return err
	}
	b.also = append(b.also, origin)
	setup, err := peers.Pushpin(dir, origin.addr)
	if err != nil {
		return err
	}
	s.plain(setup.Addr)
	s.publishAddr, s.publishHeader = setup.Publish, "Content-Type: application/json\r\n"
	s.publishPath = func(int) string { return "/publish/" }
	s.body = func(dst []byte, m mark, size int) []byte {
		content, _ := json.Marshal("data: " + string(m.appendData(nil, size)) + "\n\n")
		return fmt.Appendf(dst, `{"items":[{"channel":"c%d","formats":{"http-stream":{"content":%s}}}]}`, m.channel,
			content)
	}
	return s.run(dir, setup)
}

// run starts a peer's programs and waits until it listens.
func (s *server) run(dir string, setup peers.Setup) error {
	for _, program := range setup.Programs {
		if err := s.processes.start(dir, program[0], nil, program[1:]...); err != nil {
			return err
		}
	}
	if err := listening(setup.Addr); err != nil {
		return err
	}
	return listening(setup.Publish)
}

// packages are the Debian packages of each peer, for messages.
var packages = map[string]string{"nchan": "nginx-light libnginx-mod-nchan", "pushpin": "pushpin zurl"}

func isMissing(err error) bool { return errors.Is(err, peers.ErrMissing) }
