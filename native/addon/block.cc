// SPDX-License-Identifier: Apache-2.0
#include "block.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <tuple>
#include <set>

#include "block_columns.h"
#include "block_processes.h"
#include "runtimes/registry.h"

namespace otelprof {
namespace {

/// What Location gives for a frame that stacks do not keep.
constexpr int32_t kLeftOut = -1;
constexpr uint64_t kPageMask = 4095;

/// As nameless locations are shown, with the address that all of the function's have in common.
std::string UnnamedFunction(const ProfiledFile& file, uint64_t start) {
  char address[24];
  snprintf(address, sizeof(address), "+0x%" PRIx64, start);
  return file.baseName() + address;
}

}  // namespace

/// The tables of one block while they grow.
class BlockBuilder {
 public:
  BlockBuilder(BlockWriter& writer, const SampleWindow& window) : writer_(writer), window_(window) {
    AddMapping(0, 0, 0, "", "", "", "");
    AddFunction("", "", "", 0);
    lineStart_.push_back(0);
    EndLocation(0, 0, FrameKind::Unset);
    stackStart_ = {0, 0};  // row 0 is empty
  }

  void AddProcesses();
  void AddStacks();
  void AddSamples(uint64_t bootOffsetNs);
  std::vector<uint8_t> Finish(uint64_t endUnixNs);

 private:
  int32_t Text(std::string_view text) { return strings_.Add(ValidUtf8(text)); }
  int32_t AddMapping(uint64_t start, uint64_t limit, uint64_t offset, std::string_view file,
                     std::string_view buildId, std::string_view goBuildId, std::string_view htlHash);
  int32_t AddFunction(std::string_view name, std::string_view systemName, std::string_view file,
                      uint32_t startLine);
  void AddLine(const ResolvedFrame& frame);
  int32_t EndLocation(int32_t mapping, uint64_t address, FrameKind kind);
  int32_t Location(const op_frame& frame);
  int32_t CutLocation();
  int32_t FileLocation(const op_frame& frame);
  int32_t KernelLocation(const op_frame& frame);
  int32_t ProcessLocation(const op_frame& frame);
  int32_t RuntimeLocation(const op_frame& frame, const op_frame& detail);
  int32_t FileMapping(const ProfiledFile& file, uint64_t va);
  int32_t KernelMapping(const std::string& module);
  const ProcessInfo* ProcessBySerial(uint32_t serial);
  bool IsRuntimeFrame(int32_t location) const;
  int32_t PushStack(std::span<const op_frame> stack);
  std::vector<uint64_t> CodesAt(std::span<const op_frame> stack, uint64_t timeNs);
  int32_t StackRow(uint32_t stack, uint64_t timeNs);
  void PushSample(const SampleWindow::Sample& sample, int32_t stack, std::span<const SampleWindow::Event> events,
                  uint64_t bootOffsetNs);
  bool Keeps(FrameKind kind) const { return writer_.Keeps(kind); }

  BlockWriter& writer_;
  const SampleWindow& window_;
  StringColumn strings_;

  ProcessColumns processes_;

  std::vector<uint64_t> mappingStart_, mappingLimit_, mappingOffset_;
  std::vector<int32_t> mappingFile_, buildId_, goBuildId_, htlHash_;
  /// Copies of a file (other inode, other container) are one mapping to the reader.
  std::map<std::tuple<uint64_t, uint64_t, uint64_t, int32_t, int32_t, int32_t, int32_t>, int32_t> mappings_;
  std::map<std::pair<uint32_t, uint64_t>, int32_t> mappingBySegment_;
  std::map<std::string, int32_t> mappingByModule_;

  std::vector<int32_t> functionName_, functionSystemName_, functionFile_;
  std::vector<uint32_t> functionStartLine_;
  std::map<std::tuple<int32_t, int32_t, int32_t, uint32_t>, int32_t> functions_;

  std::vector<int32_t> locationMapping_;
  std::vector<uint64_t> locationAddress_;
  std::vector<uint8_t> locationType_;
  std::vector<uint32_t> lineStart_;
  std::vector<int32_t> lineFunction_;
  std::vector<uint32_t> lineLine_, lineColumn_;
  struct FrameHash {
    size_t operator()(const std::array<uint64_t, 2>& key) const {
      return std::hash<uint64_t>()(key[0] * 0x9e3779b97f4a7c15u ^ key[1]);
    }
  };
  std::unordered_map<std::array<uint64_t, 2>, int32_t, FrameHash> locations_;
  std::map<std::array<uint64_t, 4>, int32_t> runtimeLocations_;
  /// By mapping, address and kind: a leaf and a return address may mean the same instruction.
  std::map<std::tuple<int32_t, uint64_t, uint8_t, std::vector<uint32_t>>, int32_t> sameLocation_;
  std::unordered_map<uint32_t, const ProcessInfo*> processBySerial_;

  std::vector<uint32_t> stackStart_;
  std::vector<int32_t> stackLocation_;
  /// Stacks with an address at which generated code changed within the window, and what they were.
  std::set<uint32_t> varying_;
  std::map<std::pair<uint32_t, std::vector<uint64_t>>, int32_t> variants_;
  uint64_t jitTimeNs_ = 0;
  bool hasJitDump_ = false;
  bool isVariant_ = false;
  bool hasValues_ = false;

  std::vector<uint32_t> sampleProcess_, timeStart_{0};
  std::vector<uint8_t> sampleKind_, sampleFlags_;
  std::vector<uint32_t> sampleProbe_, sampleLabels_, sampleSpan_, labelsStart_{0};
  std::vector<int32_t> labelKey_, labelValue_;
  std::vector<int32_t> sampleStack_, sampleTid_, sampleCpu_, sampleComm_;
  std::vector<uint64_t> timeNs_;
  std::vector<int64_t> timeValue_;
};

void BlockBuilder::AddProcesses() {
  for (const auto& process : window_.processes()) {
    processes_.Add(*process, &strings_);
    processBySerial_[process->serial] = process.get();
    const std::lock_guard lock(process->jitMutex);
    hasJitDump_ = hasJitDump_ || process->jitDump;
  }
}

int32_t BlockBuilder::AddMapping(uint64_t start, uint64_t limit, uint64_t offset, std::string_view file,
                                 std::string_view buildId, std::string_view goBuildId, std::string_view htlHash) {
  const std::tuple key{start, limit, offset, Text(file), Text(buildId), Text(goBuildId), Text(htlHash)};
  const auto [it, isNew] = mappings_.try_emplace(key, static_cast<int32_t>(mappingStart_.size()));
  if (isNew) {
    mappingStart_.push_back(start);
    mappingLimit_.push_back(limit);
    mappingOffset_.push_back(offset);
    mappingFile_.push_back(std::get<3>(key));
    buildId_.push_back(std::get<4>(key));
    goBuildId_.push_back(std::get<5>(key));
    htlHash_.push_back(std::get<6>(key));
  }
  return it->second;
}

int32_t BlockBuilder::AddFunction(std::string_view name, std::string_view systemName, std::string_view file,
                                  uint32_t startLine) {
  const std::tuple key{Text(name), Text(systemName), Text(file), startLine};
  const auto [it, isNew] = functions_.try_emplace(key, static_cast<int32_t>(functionName_.size()));
  if (isNew) {
    functionName_.push_back(std::get<0>(key));
    functionSystemName_.push_back(std::get<1>(key));
    functionFile_.push_back(std::get<2>(key));
    functionStartLine_.push_back(startLine);
  }
  return it->second;
}

void BlockBuilder::AddLine(const ResolvedFrame& frame) {
  lineFunction_.push_back(AddFunction(frame.name, frame.systemName, frame.file, frame.startLine));
  lineLine_.push_back(frame.line);
  lineColumn_.push_back(frame.column);
}

int32_t BlockBuilder::EndLocation(int32_t mapping, uint64_t address, FrameKind kind) {
  const size_t firstLine = lineStart_.back();
  std::vector<uint32_t> lines;
  for (size_t i = firstLine; i < lineFunction_.size(); i++)
    lines.insert(lines.end(), {static_cast<uint32_t>(lineFunction_[i]), lineLine_[i], lineColumn_[i]});
  const auto [it, isNew] = sameLocation_.try_emplace(
      {mapping, address, static_cast<uint8_t>(kind), std::move(lines)}, static_cast<int32_t>(locationAddress_.size()));
  if (!isNew) {
    lineFunction_.resize(firstLine);
    lineLine_.resize(firstLine);
    lineColumn_.resize(firstLine);
    return it->second;
  }
  locationMapping_.push_back(mapping);
  locationAddress_.push_back(address);
  locationType_.push_back(static_cast<uint8_t>(kind));
  lineStart_.push_back(static_cast<uint32_t>(lineFunction_.size()));
  return static_cast<int32_t>(locationAddress_.size()) - 1;
}

int32_t BlockBuilder::FileMapping(const ProfiledFile& file, uint64_t va) {
  const auto* segment = file.SegmentAt(va);
  const auto [it, isNew] = mappingBySegment_.try_emplace({file.id(), segment ? segment->vaddr : 0}, 0);
  if (!isNew) return it->second;
  const auto details = file.details();
  const uint64_t start = segment ? segment->vaddr & ~kPageMask : 0;
  const uint64_t limit = segment ? (segment->vaddr + segment->memsz + kPageMask) & ~kPageMask : 0;
  const uint64_t offset = segment ? segment->offset & ~kPageMask : 0;
  it->second = AddMapping(start, limit, offset, file.baseName(), details.buildId, details.goBuildId, details.htlHash);
  return it->second;
}

int32_t BlockBuilder::KernelMapping(const std::string& module) {
  const auto [it, isNew] = mappingByModule_.try_emplace(module, 0);
  if (!isNew) return it->second;
  auto [buildId, unread] = writer_.kernelBuildIds_.try_emplace(module);
  if (unread) buildId->second = KernelSymbols::BuildId(module);
  const uint64_t start = writer_.kernel_.moduleStart(module);
  const uint64_t limit = writer_.kernel_.moduleLimit(module);
  it->second = AddMapping(0, limit > start ? limit - start : 0, 0, module, buildId->second, "", "");
  return it->second;
}

int32_t BlockBuilder::FileLocation(const op_frame& frame) {
  const auto found = window_.files().find(frame.file);
  if (found == window_.files().end())
    return Keeps(FrameKind::Unknown) ? EndLocation(0, frame.addr, FrameKind::Unknown) : kLeftOut;
  const ProfiledFile& file = *found->second;
  const uint64_t va = frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS);
  const auto& names = writer_.Names(file, nullptr, va);
  if (!Keeps(names.kind)) return kLeftOut;
  for (const auto& name : names.frames) AddLine(name);
  if (names.frames.empty() && names.functionStart != 0 && writer_.groupUnnamed_) {
    ResolvedFrame unnamed;
    unnamed.name = UnnamedFunction(file, names.functionStart);
    AddLine(unnamed);
  }
  return EndLocation(FileMapping(file, va), va, names.kind);
}

int32_t BlockBuilder::KernelLocation(const op_frame& frame) {
  if (!Keeps(FrameKind::Kernel)) return kLeftOut;
  std::string_view name, module;
  uint64_t symbolStart = 0;
  // The address the reader gets is always one less; the name of an interrupted frame must not be.
  const uint64_t pc = frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS);
  if (!writer_.kernel_.Lookup(pc, &name, &module, &symbolStart)) {
    writer_.kernelMissed_ = true;
    return EndLocation(0, frame.addr - 1, FrameKind::Kernel);
  }
  ResolvedFrame resolved;
  resolved.name = name;
  AddLine(resolved);
  if (module == "bpf") return EndLocation(0, pc - symbolStart, FrameKind::Kernel);
  const std::string owner(module);
  return EndLocation(KernelMapping(owner), frame.addr - 1 - writer_.kernel_.moduleStart(owner), FrameKind::Kernel);
}

const ProcessInfo* BlockBuilder::ProcessBySerial(uint32_t serial) {
  const auto it = processBySerial_.find(serial);
  return it == processBySerial_.end() ? nullptr : it->second;
}

int32_t BlockBuilder::ProcessLocation(const op_frame& frame) {
  const uint64_t pc = frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS);
  if (frame.kind == OP_FRAME_JIT) {
    if (const auto* process = ProcessBySerial(frame.file)) {
      const std::lock_guard lock(process->jitMutex);
      ResolvedFrame name;
      FrameKind kind = FrameKind::Unknown;
      if ((process->jitDump && process->jitDump->Lookup(pc, jitTimeNs_, &name, &kind)) ||
          (process->perfMap && process->perfMap->Lookup(pc, &name, &kind))) {
        if (!Keeps(kind)) return kLeftOut;
        AddLine(name);
        return EndLocation(0, pc, kind);
      }
    }
  }
  return Keeps(FrameKind::Unknown) ? EndLocation(0, pc, FrameKind::Unknown) : kLeftOut;
}

int32_t BlockBuilder::RuntimeLocation(const op_frame& frame, const op_frame& detail) {
  std::array<uint64_t, 4> key;
  static_assert(sizeof(key) == 2 * sizeof(op_frame) && sizeof(op_frame_detail) == sizeof(op_frame));
  std::memcpy(key.data(), &frame, sizeof(frame));
  std::memcpy(key.data() + 2, &detail, sizeof(detail));
  const auto [it, isNew] = runtimeLocations_.try_emplace(key, 0);
  if (!isNew) return it->second;
  op_frame_detail rest;
  std::memcpy(&rest, &detail, sizeof(rest));
  const FrameKind kind = RuntimeFrameKind(frame.kind);
  if (!Keeps(kind)) return it->second = kLeftOut;
  const auto* process = ProcessBySerial(frame.file);
  const auto function = process ? process->functions.Find({frame.addr, rest.cookie, rest.cookie2}) : nullptr;
  if (!function) return it->second = EndLocation(0, frame.addr, kind);
  AddLine(function->At(rest.position));
  // The same function in another process is the same location: where its object lies says nothing.
  return it->second = EndLocation(0, 0, kind);
}

int32_t BlockBuilder::CutLocation() {
  ResolvedFrame marker;
  marker.name = "[truncated]";
  AddLine(marker);
  return EndLocation(0, 0, FrameKind::AbortMarker);
}

int32_t BlockBuilder::Location(const op_frame& frame) {
  std::array<uint64_t, 2> key;
  static_assert(sizeof(key) == sizeof(frame));
  std::memcpy(key.data(), &frame, sizeof(frame));
  // What generated code was at an address may change while others keep theirs.
  if (frame.kind == OP_FRAME_JIT && isVariant_) return ProcessLocation(frame);
  const auto [it, isNew] = locations_.try_emplace(key, 0);
  if (!isNew) return it->second;
  int32_t row = 0;
  switch (frame.kind) {
    case OP_FRAME_FILE:
      row = FileLocation(frame);
      break;
    case OP_FRAME_KERNEL:
      row = KernelLocation(frame);
      break;
    case OP_FRAME_CUT:
      row = CutLocation();
      break;
    case OP_FRAME_ERROR:
      row = EndLocation(0, frame.addr, FrameKind::AbortMarker);
      break;
    default:
      row = ProcessLocation(frame);
      break;
  }
  return it->second = row;
}

bool BlockBuilder::IsRuntimeFrame(int32_t location) const {
  const auto kind = static_cast<FrameKind>(locationType_[static_cast<size_t>(location)]);
  return std::any_of(Runtimes().begin(), Runtimes().end(), [&](const Runtime& r) { return r.frameKind == kind; });
}

int32_t BlockBuilder::PushStack(std::span<const op_frame> stack) {
  bool hasRuntimeFrame = false;
  for (size_t at = 0; at < stack.size(); at++) {
    const op_frame& frame = stack[at];
    if (frame.kind >= OP_FRAME_RUNTIME) {
      hasRuntimeFrame = true;
      const int32_t row = ++at < stack.size() ? RuntimeLocation(frame, stack[at]) : kLeftOut;
      if (row != kLeftOut) stackLocation_.push_back(row);
      continue;
    }
    const int32_t row = Location(frame);
    if (row == kLeftOut) continue;
    // `python -X perf` runs each function behind a trampoline of its name: that frame is already there.
    const bool isTrampoline = frame.kind == OP_FRAME_JIT && IsRuntimeFrame(row);
    if (!hasRuntimeFrame || !isTrampoline) stackLocation_.push_back(row);
  }
  stackStart_.push_back(static_cast<uint32_t>(stackLocation_.size()));
  return static_cast<int32_t>(stackStart_.size()) - 2;
}

/// Which pieces of code the generated frames of a stack were at a time.
std::vector<uint64_t> BlockBuilder::CodesAt(std::span<const op_frame> stack, uint64_t timeNs) {
  std::vector<uint64_t> out;
  for (size_t at = 0; at < stack.size(); at++) {
    const op_frame& frame = stack[at];
    if (frame.kind >= OP_FRAME_RUNTIME) at++;
    if (frame.kind != OP_FRAME_JIT) continue;
    const auto* process = ProcessBySerial(frame.file);
    if (!process) continue;
    const std::lock_guard lock(process->jitMutex);
    if (process->jitDump)
      out.push_back(process->jitDump->CodeAt(frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS), timeNs));
  }
  return out;
}

void BlockBuilder::AddStacks() {
  uint64_t fromNs = UINT64_MAX;
  for (const auto& event : window_.events()) {
    fromNs = std::min(fromNs, event.timeNs);
    jitTimeNs_ = std::max(jitTimeNs_, event.timeNs);
  }
  for (size_t i = 0; i < window_.stackCount(); i++) {
    const auto stack = window_.stack(i);
    PushStack(stack);
    if (hasJitDump_ && CodesAt(stack, fromNs) != CodesAt(stack, jitTimeNs_)) varying_.insert(static_cast<uint32_t>(i));
  }
}

/// The row of a stack as it was at a time. The first one of each is behind the null row.
int32_t BlockBuilder::StackRow(uint32_t stack, uint64_t timeNs) {
  if (!varying_.contains(stack)) return static_cast<int32_t>(stack) + 1;
  const auto frames = window_.stack(stack);
  const auto [it, isNew] = variants_.try_emplace({stack, CodesAt(frames, timeNs)}, 0);
  if (!isNew) return it->second;
  jitTimeNs_ = timeNs;
  isVariant_ = true;
  it->second = PushStack(frames);
  isVariant_ = false;
  return it->second;
}

void BlockBuilder::AddSamples(uint64_t bootOffsetNs) {
  const auto& samples = window_.samples();
  auto events = window_.events();
  std::sort(events.begin(), events.end(), [](const SampleWindow::Event& a, const SampleWindow::Event& b) {
    return std::tie(a.sample, a.timeNs) < std::tie(b.sample, b.timeNs);
  });
  hasValues_ = std::any_of(samples.begin(), samples.end(), [](const SampleWindow::Sample& sample) {
    return sample.kind == OP_SAMPLE_OFF_CPU;
  });
  for (const LabelSet& labels : window_.labelSets()) {
    for (const auto& [key, value] : labels) {
      labelKey_.push_back(Text(key));
      labelValue_.push_back(Text(value));
    }
    labelsStart_.push_back(static_cast<uint32_t>(labelKey_.size()));
  }
  for (size_t next = 0; next < events.size();) {
    const uint32_t i = events[next].sample;
    std::map<int32_t, std::vector<SampleWindow::Event>> byStack;
    for (; next < events.size() && events[next].sample == i; next++)
      byStack[StackRow(samples[i].stack, events[next].timeNs)].push_back(events[next]);
    for (const auto& [stack, those] : byStack) PushSample(samples[i], stack, those, bootOffsetNs);
  }
}

void BlockBuilder::PushSample(const SampleWindow::Sample& sample, int32_t stack,
                              std::span<const SampleWindow::Event> events, uint64_t bootOffsetNs) {
  sampleProcess_.push_back(sample.process);
  sampleKind_.push_back(sample.kind);
  sampleStack_.push_back(stack);
  sampleTid_.push_back(static_cast<int32_t>(sample.tid));
  sampleCpu_.push_back(static_cast<int32_t>(sample.cpu));
  sampleComm_.push_back(Text(sample.comm));
  sampleFlags_.push_back(sample.flags);
  sampleProbe_.push_back(sample.probe);
  sampleLabels_.push_back(sample.labels);
  sampleSpan_.push_back(sample.span);
  for (const auto& event : events) {
    timeNs_.push_back(event.timeNs + bootOffsetNs);
    if (hasValues_) timeValue_.push_back(static_cast<int64_t>(event.value));
  }
  timeStart_.push_back(static_cast<uint32_t>(timeNs_.size()));
}

std::vector<uint8_t> BlockBuilder::Finish(uint64_t endUnixNs) {
  using S = BlockSection;
  BlockAssembler block;
  block.Add(S::StringOffsets, strings_.offsets());
  block.Add(S::StringBytes, strings_.bytes());
  processes_.AddTo(&block);
  block.Add(S::MappingStart, mappingStart_);
  block.Add(S::MappingLimit, mappingLimit_);
  block.Add(S::MappingOffset, mappingOffset_);
  block.Add(S::MappingFile, mappingFile_);
  block.Add(S::MappingBuildId, buildId_);
  block.Add(S::MappingGoBuildId, goBuildId_);
  block.Add(S::MappingHtlHash, htlHash_);
  block.Add(S::FunctionName, functionName_);
  block.Add(S::FunctionSystemName, functionSystemName_);
  block.Add(S::FunctionFile, functionFile_);
  block.Add(S::FunctionStartLine, functionStartLine_);
  block.Add(S::LocationMapping, locationMapping_);
  block.Add(S::LocationAddress, locationAddress_);
  block.Add(S::LocationFrameType, locationType_);
  block.Add(S::LocationLineStart, lineStart_);
  block.Add(S::LineFunction, lineFunction_);
  block.Add(S::LineLine, lineLine_);
  block.Add(S::LineColumn, lineColumn_);
  block.Add(S::StackStart, stackStart_);
  block.Add(S::StackLocation, stackLocation_);
  block.Add(S::SampleProcess, sampleProcess_);
  block.Add(S::SampleKind, sampleKind_);
  block.Add(S::SampleStack, sampleStack_);
  block.Add(S::SampleTid, sampleTid_);
  block.Add(S::SampleCpu, sampleCpu_);
  block.Add(S::SampleComm, sampleComm_);
  block.Add(S::SampleFlags, sampleFlags_);
  block.Add(S::SampleTimeStart, timeStart_);
  block.Add(S::TimeNs, timeNs_);
  block.Add(S::TimeValue, timeValue_);
  block.Add(S::SampleProbe, sampleProbe_);
  block.Add(S::SampleLabels, sampleLabels_);
  block.Add(S::LabelsStart, labelsStart_);
  block.Add(S::LabelKey, labelKey_);
  block.Add(S::LabelValue, labelValue_);
  block.Add(S::SampleSpan, sampleSpan_);
  block.Add(S::SpanContexts, window_.spans());
  return block.Finish(window_.startUnixNs(), endUnixNs);
}

std::vector<uint8_t> BlockWriter::Write(const SampleWindow& window, uint64_t endUnixNs, uint64_t bootOffsetNs) {
  RefreshKernel(endUnixNs);
  BlockBuilder builder(*this, window);
  builder.AddProcesses();
  builder.AddStacks();
  builder.AddSamples(bootOffsetNs);
  return builder.Finish(endUnixNs);
}

}  // namespace otelprof
