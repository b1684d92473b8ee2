//go:build linux

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
)

// fan is a server without its HTTP front: it has connections and writes events to them.
type fan interface {
	subscribe(channel int, conn *net.TCPConn)
	publish(channel int, data []byte)
}

// serveFront serves the minimum of HTTP that the clients need, so that fans are compared without other costs.
func serveFront(addr string, to fan) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go front(conn.(*net.TCPConn), to)
	}
}

func front(conn *net.TCPConn, to fan) {
	r := bufio.NewReaderSize(conn, 1<<10)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			conn.Close()
			return
		}
		words := strings.Fields(line)
		length := 0
		for {
			h, err := r.ReadSlice('\n')
			if err != nil {
				conn.Close()
				return
			}
			if h = bytes.TrimSpace(h); len(h) == 0 {
				break
			}
			if v, ok := bytes.CutPrefix(h, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(v))
			}
		}
		if len(words) < 2 {
			conn.Close()
			return
		}
		channel, _ := strconv.Atoi(words[1][len("/sub/c"):])
		if words[0] == "GET" {
			to.subscribe(channel, conn)
			return
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(r, data); err != nil {
			conn.Close()
			return
		}
		to.publish(channel, data)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
	"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
