// SPDX-License-Identifier: Apache-2.0

// Reads a file of OTLP profiles with the Go Collector's own pdata, and writes it again in the layout of its
// file exporter: `go-file-peer json|proto IN json|proto OUT` prints the number of messages and samples.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/pdata/pprofile"
)

func main() {
	content, err := os.ReadFile(os.Args[2])
	check(err)
	messages, samples := 0, 0
	var out bytes.Buffer
	for _, message := range split(os.Args[1], content) {
		profiles, err := decode(os.Args[1], message)
		check(err)
		messages++
		samples += profiles.SampleCount()
		check(encode(os.Args[3], profiles, &out))
	}
	check(os.WriteFile(os.Args[4], out.Bytes(), 0o600))
	fmt.Println(messages, samples)
}

func split(format string, content []byte) [][]byte {
	if format == "json" {
		return bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	}
	var messages [][]byte
	for len(content) > 0 {
		length := binary.BigEndian.Uint32(content)
		messages = append(messages, content[4:4+length])
		content = content[4+length:]
	}
	return messages
}

func decode(format string, message []byte) (pprofile.Profiles, error) {
	if format == "json" {
		return (&pprofile.JSONUnmarshaler{}).UnmarshalProfiles(message)
	}
	return (&pprofile.ProtoUnmarshaler{}).UnmarshalProfiles(message)
}

func encode(format string, profiles pprofile.Profiles, out *bytes.Buffer) error {
	if format == "json" {
		message, err := (&pprofile.JSONMarshaler{}).MarshalProfiles(profiles)
		out.Write(message)
		out.WriteByte('\n')
		return err
	}
	message, err := (&pprofile.ProtoMarshaler{}).MarshalProfiles(profiles)
	header := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	out.Write(header)
	out.Write(message)
	return err
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
