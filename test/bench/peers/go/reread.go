// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
)

// reread is what pdata makes of a request: why it refuses it, or the request written again.
type reread struct {
	Error string `json:"error,omitempty"`
	Proto []byte `json:"proto,omitempty"`
	JSON  []byte `json:"json,omitempty"`
}

// maxFrame bounds one request; the tests send far less.
const maxFrame = 64 << 20

// rereadLoop answers requests, each behind 'p' (protobuf) or 'j' (JSON) and four bytes of big-endian length,
// with one line of JSON each.
func rereadLoop(in io.Reader, out io.Writer) error {
	frames := bufio.NewReader(in)
	answers := json.NewEncoder(out)
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(frames, head); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(head[1:])
		if length > maxFrame {
			return fmt.Errorf("a request of %d bytes", length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(frames, body); err != nil {
			return err
		}
		got, err := rereadOne(head[0], body)
		if err != nil {
			got = reread{Error: err.Error()}
		}
		if err := answers.Encode(got); err != nil {
			return err
		}
	}
}

func rereadOne(kind byte, body []byte) (got reread, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	read := func() (pprofileotlp.ExportRequest, error) {
		asked := pprofileotlp.NewExportRequest()
		if kind == 'j' {
			return asked, asked.UnmarshalJSON(body)
		}
		return asked, asked.UnmarshalProto(body)
	}
	// Read twice: writing may move text into the dictionary.
	for _, write := range []func(pprofileotlp.ExportRequest) error{
		func(asked pprofileotlp.ExportRequest) (err error) { got.Proto, err = asked.MarshalProto(); return err },
		func(asked pprofileotlp.ExportRequest) (err error) { got.JSON, err = asked.MarshalJSON(); return err },
	} {
		asked, err := read()
		if err != nil {
			return got, err
		}
		if err := write(asked); err != nil {
			return got, err
		}
	}
	return got, nil
}
