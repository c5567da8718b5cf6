// SPDX-License-Identifier: Apache-2.0
#include "profiler.h"

namespace otelprof {

Profiler::NamedCounters Profiler::CountAll() const {
  NamedCounters out;
  const auto add = [&](const char* name, uint64_t value) { out.emplace_back(name, static_cast<double>(value)); };
  Counters counters = perf_ ? perf_->ReadCounters() : session_->ReadCounters();
  {
    const std::lock_guard lock(mutex_);
    counters[OP_COUNT_FILTERED_RULE] += snapshot_.filteredRule;
    counters[OP_COUNT_FILTERED_AGE] += snapshot_.filteredAge;
  }
  for (size_t i = 0; i < counters.size(); i++) counters[i] += late_->counter(i);
#define X(id, name) add(name, counters[OP_COUNT_##id]);
  OP_COUNTERS(X)
#undef X
  uint64_t ns = 0, runs = 0;
  if (session_ && session_->RunTime(&ns, &runs)) {
    add("bpf_run_time_ns", ns);
    add("bpf_runs", runs);
  }
  uint64_t featureBytes = 0;
  for (size_t i = 0; i < features_.size(); i++) {
    featureBytes += features_[i]->mapBytes();
    if (i > 0 || options_.offCpuProbability <= 0 || !features_[i]->RunTime(&ns, &runs)) continue;
    add("off_cpu_bpf_run_time_ns", ns);
    add("off_cpu_bpf_runs", runs);
  }
  if (perf_) {
    add("perf_stacks_cut_at_copy", perf_->stats().stacksCut);
    add("perf_threads_over_limit", perf_->stats().threadsOverLimit);
    add("perf_threads_refused", perf_->stats().threadsRefused);
  }
  const auto& tables = worker_->stats();
  add("tables_loaded", tables.tablesLoaded);
  add("tables_evicted", tables.tablesEvicted);
  add("tables_failed", tables.tablesFailed);
  add("table_bytes", tables.tableBytes);
  add("table_rows_unsupported", tables.rowsUnsupported);
  const auto& symbols = worker_->symbolStats();
  add("symbol_files", symbols.files);
  add("symbol_bytes", symbols.bytes);
  add("symbol_mapped_bytes", symbols.mappedBytes);
  add("symbol_tables_loaded", symbols.loads);
  add("symbol_tables_evicted", symbols.evictions);
  add("debug_files_used", symbols.debugFilesUsed);
  add("debug_files_refused", symbols.debugFilesRefused);
  add("names_kept", blocks_.namesKept());
  if (const auto* cache = worker_->cacheStats()) {
    add("symbol_cache_bytes", cache->bytes);
    add("symbol_cache_hits", cache->hits);
    add("symbol_cache_misses", cache->misses);
    add("symbol_cache_evicted", cache->evicted);
    add("symbol_cache_error_corrupt", cache->corrupt);
    add("symbol_cache_error_write", cache->writeErrors);
  }
  add("symbol_cache_refused", symbolCacheRefused_ ? 1 : 0);
  const auto& lines = lines_->stats();
  add("dwarf_units", lines.unitsLoaded);
  add("dwarf_units_evicted", lines.evictions);
  add("dwarf_bytes", lines.bytes);
  add("dwarf_addresses_refused", lines.addressesRefused);
  add("dwarf_error_malformed", tables.dwarfErrors.malformed);
  add("dwarf_error_over_limit", tables.dwarfErrors.overLimit);
  add("dwarf_error_compressed", tables.dwarfErrors.compressed);
  add("dwarf_error_alternate_file", tables.dwarfErrors.alternate);
  add("dwarf_queue", lines_->queued());
  add("cpu_ns_lines_thread", lines_->cpuNs());
  add("worker_queue", worker_->queued());
  add("map_bytes", (session_ ? session_->mapBytes() : 0) + featureBytes + tables.tableBytes);
  add("runtime_files", tables.runtimeFiles);
  add("runtime_offsets_unknown", tables.runtimesUnknown);
  add("runtime_table_full", tables.runtimesFull);
  if (namer_) {
    const auto& names = namer_->stats();
    const auto outcome = [&](ReadOutcome value) { return names.outcomes[static_cast<size_t>(value)].load(); };
    add("runtime_functions_named", outcome(ReadOutcome::Named));
    add("runtime_naming_failed_gone", outcome(ReadOutcome::Gone));
    add("runtime_naming_failed_stale", outcome(ReadOutcome::Stale));
    add("runtime_naming_failed_budget", outcome(ReadOutcome::Budget) + names.droppedQueueFull);
    add("runtime_naming_failed_layout", outcome(ReadOutcome::Layout));
    add("cpu_ns_names_thread", namer_->cpuNs());
  }
  add("jit_dumps_malformed", codeNames_.jitDumpsMalformed);
  add("jit_dumps_truncated", codeNames_.jitDumpsTruncated);
  add("perf_maps_truncated", codeNames_.perfMapsTruncated);
  add("runtime_name_bytes", FunctionNames::TotalBytes());
  add("cpu_ns_tables_thread", worker_->cpuNs());
  add("cpu_ns_collect", collectCpuNs_);
  const auto contexts = [&](ContextOutcome outcome) { return contexts_[static_cast<size_t>(outcome)].load(); };
  add("process_contexts_read", contexts(ContextOutcome::Read));
  add("process_contexts_busy", contexts(ContextOutcome::Busy));
  add("process_contexts_malformed", contexts(ContextOutcome::Malformed));
  add("cpu_ns_drain_thread", ThreadCpuNs(thread_));
  const std::lock_guard lock(mutex_);
  add("label_sets_refused", snapshot_.labelSetsRefused);
  add("samples_with_span", snapshot_.spansLinked);
  add("span_contexts_refused", snapshot_.spansRefused);
  add("processes", snapshot_.processes);
  add("files", snapshot_.files);
  add("file_open_errors", snapshot_.openErrors);
  add("files_not_elf", snapshot_.notElf);
  add("sideband_lost", snapshot_.sidebandLost);
  add("execs", snapshot_.tracking.execs);
  add("forks", snapshot_.tracking.forks);
  add("exits", snapshot_.tracking.exits);
  add("mmaps", snapshot_.tracking.mmaps);
  add("cgroup_changes", snapshot_.tracking.cgroupChanges);
  add("process_syncs", snapshot_.tracking.syncs);
  add("process_sync_failures", snapshot_.tracking.syncFailures);
  add("mappings_used", snapshot_.mappingsUsed);
  add("mapping_table_full", snapshot_.mappingsFull);
  add("process_table_full", snapshot_.processUpdateErrors);
  add("mappings_over_limit", snapshot_.tracking.mappingsOverLimit);
  add("drop_window_full", snapshot_.droppedWindowFull);
  add("drop_malformed_record", snapshot_.droppedMalformed);
  add("resumed_stacks_waiting", snapshot_.lateWaiting);
  add("resumed_stacks_gave_up", late_->gaveUp());
  add("resumed_stacks_malformed", snapshot_.stacksMalformed);
  add("off_cpu_away", snapshot_.offCpuAway);
  add("drop_off_cpu_evicted", snapshot_.offCpuEvicted);
  add("drop_off_cpu_end_lost", snapshot_.offCpuReplaced);
  add("drop_off_cpu_unfinished", snapshot_.offCpuAbandoned);
  return out;
}

}  // namespace otelprof
