// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { packageRoot } from '../package-root.ts';

/**
 * Messages of OTLP 1.7.0 that differ from the vendored revision, as field numbers and types only.
 * Source: https://github.com/open-telemetry/opentelemetry-proto/blob/v1.7.0/opentelemetry/proto/profiles/v1development/profiles.proto
 */
const PROFILES_1_7 = `
syntax = "proto3";
package otlp17;
import "opentelemetry/proto/common/v1/common.proto";
import "opentelemetry/proto/resource/v1/resource.proto";

message Request { repeated ResourceProfiles resource_profiles = 1; Dictionary dictionary = 2; }
message Dictionary {
  repeated Mapping mapping_table = 1;
  repeated Location location_table = 2;
  repeated Function function_table = 3;
  repeated Link link_table = 4;
  repeated string string_table = 5;
  repeated opentelemetry.proto.common.v1.KeyValue attribute_table = 6;
  repeated AttributeUnit attribute_units = 7;
}
message ResourceProfiles {
  opentelemetry.proto.resource.v1.Resource resource = 1;
  repeated ScopeProfiles scope_profiles = 2;
  string schema_url = 3;
}
message ScopeProfiles {
  opentelemetry.proto.common.v1.InstrumentationScope scope = 1;
  repeated Profile profiles = 2;
  string schema_url = 3;
}
message Profile {
  repeated ValueType sample_type = 1;
  repeated Sample sample = 2;
  repeated int32 location_indices = 3;
  int64 time_nanos = 4;
  int64 duration_nanos = 5;
  ValueType period_type = 6;
  int64 period = 7;
  repeated int32 comment_strindices = 8;
  int32 default_sample_type_index = 9;
  bytes profile_id = 10;
  uint32 dropped_attributes_count = 11;
  string original_payload_format = 12;
  bytes original_payload = 13;
  repeated int32 attribute_indices = 14;
}
message AttributeUnit { int32 attribute_key_strindex = 1; int32 unit_strindex = 2; }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message ValueType { int32 type_strindex = 1; int32 unit_strindex = 2; int32 aggregation_temporality = 3; }
message Sample {
  int32 locations_start_index = 1;
  int32 locations_length = 2;
  repeated int64 value = 3;
  repeated int32 attribute_indices = 4;
  optional int32 link_index = 5;
  repeated uint64 timestamps_unix_nano = 6;
}
message Mapping {
  uint64 memory_start = 1;
  uint64 memory_limit = 2;
  uint64 file_offset = 3;
  int32 filename_strindex = 4;
  repeated int32 attribute_indices = 5;
  bool has_functions = 6;
  bool has_filenames = 7;
  bool has_line_numbers = 8;
  bool has_inline_frames = 9;
}
message Location {
  optional int32 mapping_index = 1;
  uint64 address = 2;
  repeated Line line = 3;
  bool is_folded = 4;
  repeated int32 attribute_indices = 5;
}
message Line { int32 function_index = 1; int64 line = 2; int64 column = 3; }
message Function {
  int32 name_strindex = 1;
  int32 system_name_strindex = 2;
  int32 filename_strindex = 3;
  int64 start_line = 4;
}
`;

/** ExportProfilesServiceRequest of OTLP 1.7.0 for protobufjs. */
export function otlp17RequestType(): protobuf.Type {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(packageRoot(), 'proto', target);
  root.loadSync('opentelemetry/proto/resource/v1/resource.proto');
  protobuf.parse(PROFILES_1_7, root);
  root.resolveAll();
  return root.lookupType('otlp17.Request');
}
