// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/google/pprof/profile"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
)

type request struct {
	Op      string   `json:"op"`
	Files   []string `json:"files"`
	Seconds float64  `json:"seconds"`
}

type answer struct {
	Calls      int     `json:"calls"`
	CPUSeconds float64 `json:"cpuSeconds"`
	Error      string  `json:"error,omitempty"`
}

// operation is prepared outside of the measured time and called many times within it.
type operation func(inputs [][]byte) (func() error, error)

var operations = map[string]operation{
	"decode":        decode,
	"decode+encode": decodeEncode,
	"merge":         merge,
	"pprof decode":  pprofDecode,
	"pprof encode":  pprofEncode,
	"pprof chain":   pprofChain,
}

func measureLoop(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		got, err := measure(asked)
		if err != nil {
			got.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(got); err != nil {
			return err
		}
	}
	return lines.Err()
}

func measure(asked request) (answer, error) {
	prepare, ok := operations[asked.Op]
	if !ok {
		return answer{}, fmt.Errorf("unknown operation %q", asked.Op)
	}
	inputs := make([][]byte, len(asked.Files))
	for i, file := range asked.Files {
		content, err := os.ReadFile(file)
		if err != nil {
			return answer{}, err
		}
		inputs[i] = content
	}
	call, err := prepare(inputs)
	if err != nil {
		return answer{}, err
	}
	before := cpuSeconds()
	for calls := 1; ; calls++ {
		if err := call(); err != nil {
			return answer{}, err
		}
		if spent := cpuSeconds() - before; spent >= asked.Seconds {
			return answer{Calls: calls, CPUSeconds: spent}, nil
		}
	}
}

// cpuSeconds is user and system time of the whole process, the collector's threads included.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func unmarshal(input []byte) (pprofile.Profiles, error) {
	asked := pprofileotlp.NewExportRequest()
	err := asked.UnmarshalProto(input)
	return asked.Profiles(), err
}

func marshal(profiles pprofile.Profiles) error {
	_, err := pprofileotlp.NewExportRequestFromProfiles(profiles).MarshalProto()
	return err
}

func decode(inputs [][]byte) (func() error, error) {
	return func() error {
		_, err := unmarshal(inputs[0])
		return err
	}, nil
}

func decodeEncode(inputs [][]byte) (func() error, error) {
	return func() error {
		profiles, err := unmarshal(inputs[0])
		if err != nil {
			return err
		}
		return marshal(profiles)
	}, nil
}

func merge(inputs [][]byte) (func() error, error) {
	return func() error {
		all, err := unmarshal(inputs[0])
		if err != nil {
			return err
		}
		for _, input := range inputs[1:] {
			other, err := unmarshal(input)
			if err != nil {
				return err
			}
			if err := other.MergeTo(all); err != nil {
				return err
			}
		}
		return marshal(all)
	}, nil
}

func pprofDecode(inputs [][]byte) (func() error, error) {
	return func() error {
		_, err := profile.ParseData(inputs[0])
		return err
	}, nil
}

func pprofEncode(inputs [][]byte) (func() error, error) {
	parsed, err := profile.ParseData(inputs[0])
	return func() error { return parsed.WriteUncompressed(&bytes.Buffer{}) }, err
}

func pprofChain(inputs [][]byte) (func() error, error) {
	return func() error {
		parsed := make([]*profile.Profile, len(inputs))
		for i, input := range inputs {
			one, err := profile.ParseData(input)
			if err != nil {
				return err
			}
			parsed[i] = one
		}
		merged, err := profile.Merge(parsed)
		if err != nil {
			return err
		}
		return merged.WriteUncompressed(&bytes.Buffer{})
	}, nil
}
