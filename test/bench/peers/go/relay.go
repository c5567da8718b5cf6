// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
)

// bufferSize is what the Collector's OTLP receiver and exporter set by default.
const bufferSize = 512 << 10

// relayServer does what a Collector with an OTLP receiver, a resource processor and an OTLP exporter
// without a queue does: decode, insert an attribute into every resource, encode, send, then answer.
type relayServer struct {
	pprofileotlp.UnimplementedGRPCServer
	next       pprofileotlp.GRPCClient
	options    []grpc.CallOption
	key, value string
}

func (s *relayServer) Export(ctx context.Context, asked pprofileotlp.ExportRequest) (pprofileotlp.ExportResponse, error) {
	for _, resource := range asked.Profiles().ResourceProfiles().All() {
		resource.Resource().Attributes().PutStr(s.key, s.value)
	}
	return s.next.Export(ctx, asked, s.options...)
}

// relay listens on a free port, prints it, and runs until stdin closes.
func relay(args []string) error {
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	to := flags.String("to", "", "where to send")
	compress := flags.Bool("gzip", false, "send gzip")
	level := flags.Int("level", 0, "gzip level; 0 is grpc-go's default")
	key := flags.String("key", "", "key of the attribute")
	value := flags.String("value", "", "value of the attribute")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *level != 0 {
		if err := gzip.SetLevel(*level); err != nil {
			return err
		}
	}
	connection, err := grpc.NewClient(*to,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithWriteBufferSize(bufferSize))
	if err != nil {
		return err
	}
	defer connection.Close()
	server := &relayServer{next: pprofileotlp.NewGRPCClient(connection), key: *key, value: *value}
	if *compress {
		server.options = append(server.options, grpc.UseCompressor(gzip.Name))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	grpcServer := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.ReadBufferSize(bufferSize))
	pprofileotlp.RegisterGRPCServer(grpcServer, server)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		grpcServer.Stop()
	}()
	return grpcServer.Serve(listener)
}
