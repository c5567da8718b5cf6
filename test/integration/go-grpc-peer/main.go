// SPDX-License-Identifier: Apache-2.0

// A gRPC peer made of grpc-go: `peer server` serves test.Service on a free port and prints {"port": n};
// `peer client ADDRESS` makes calls and prints one JSON line for each.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	_ "github.com/mostynb/go-grpc-compression/snappy"
	_ "github.com/mostynb/go-grpc-compression/zstd"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// raw leaves messages as bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func report(name string, err error, more map[string]any) {
	st := status.Convert(err)
	line := map[string]any{"name": name, "code": int(st.Code()), "message": st.Message()}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			line["retryMs"] = info.RetryDelay.AsDuration().Milliseconds()
		}
	}
	for key, value := range more {
		line[key] = value
	}
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

func echo(conn *grpc.ClientConn, body []byte, options ...grpc.CallOption) (bool, error) {
	var reply []byte
	err := conn.Invoke(context.Background(), "/test.Service/Echo", &body, &reply, options...)
	return bytes.Equal(body, reply), err
}

func client(address string) {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		panic(err)
	}
	for _, compressor := range []string{"", "gzip", "zstd", "snappy"} {
		for _, size := range []int{0, 1000, 1000000} {
			body := bytes.Repeat([]byte("work;"), size/5)
			options := []grpc.CallOption{}
			if compressor != "" {
				options = append(options, grpc.UseCompressor(compressor))
			}
			same, err := echo(conn, body, options...)
			report(fmt.Sprintf("echo %s %d", compressor, size), err, map[string]any{"same": same})
		}
	}
	_, err = echo(conn, make([]byte, 4<<20+1))
	report("too large", err, nil)

	var reply []byte
	body := []byte("a")
	err = conn.Invoke(context.Background(), "/test.Service/Unknown", &body, &reply)
	report("unknown", err, nil)
	err = conn.Invoke(context.Background(), "/test.Service/Fail", &body, &reply)
	report("fail", err, nil)
	withHeaders := metadata.AppendToOutgoingContext(context.Background(), "x-team", "north", "x-key-bin", "\x01\xff")
	err = conn.Invoke(withHeaders, "/test.Service/Headers", &body, &reply)
	report("headers", err, map[string]any{"reply": string(reply)})

	short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err = conn.Invoke(short, "/test.Service/Hang", &body, &reply)
	report("deadline", err, nil)

	var group sync.WaitGroup
	var lock sync.Mutex
	good := 0
	for i := range 200 {
		group.Add(1)
		go func() {
			defer group.Done()
			same, err := echo(conn, bytes.Repeat([]byte{byte(i)}, i*100))
			lock.Lock()
			defer lock.Unlock()
			if same && err == nil {
				good++
			}
		}()
	}
	group.Wait()
	report("parallel", nil, map[string]any{"good": good})
}

func handle(stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	switch method {
	case "/test.Service/Echo":
		return stream.SendMsg(&request)
	case "/test.Service/Headers":
		headers, _ := metadata.FromIncomingContext(stream.Context())
		_, hasDeadline := stream.Context().Deadline()
		reply := []byte(fmt.Sprintf("%s %x %t", headers.Get("x-team"), headers.Get("x-key-bin"), hasDeadline))
		return stream.SendMsg(&reply)
	case "/test.Service/Fail":
		st, err := status.New(codes.ResourceExhausted, "später: 100 %").
			WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2500 * time.Millisecond)})
		if err != nil {
			return err
		}
		return st.Err()
	case "/test.Service/Hang":
		<-stream.Context().Done()
		fmt.Println(`{"cancelled": true}`)
		return stream.Context().Err()
	}
	return status.Error(codes.Unimplemented, "unknown method "+method)
}

func server() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	serving := grpc.NewServer(
		grpc.ForceServerCodec(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return handle(stream) }))
	if err := serving.Serve(listener); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "client" {
		client(os.Args[2])
		return
	}
	server()
}
