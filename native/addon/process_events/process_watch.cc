// SPDX-License-Identifier: Apache-2.0
#include "process_watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "monotonic.h"

namespace otelprof {
namespace {

/// Between two looks at the socket: so a storm wakes the thread 200 times a second, not with every event.
constexpr int kPauseMs = 5;

}  // namespace

std::unique_ptr<ProcessWatch> ProcessWatch::Open(const Options& options, Failure* failure) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    *failure = SystemFailure(errno, "eventfd", "events of processes");
    return nullptr;
  }
  auto connector = Connector::Open(options.connector, options.waitMs, failure);
  if (!connector) return nullptr;
  return std::unique_ptr<ProcessWatch>(new ProcessWatch(options, std::move(connector), std::move(wake)));
}

ProcessWatch::ProcessWatch(const Options& options, std::unique_ptr<Connector> connector, UniqueFd wake)
    : connector_(std::move(connector)), wake_(std::move(wake)), pending_(options.settleMs, options.forkSettleMs) {}

void ProcessWatch::Start(std::function<void()> ready) {
  if (thread_.joinable() || stopping_) return;
  ready_ = std::move(ready);
  // Signals are the event loop's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "process-events");
}

ProcessWatch::Changes ProcessWatch::Take(size_t maxBegan) {
  Changes out;
  {
    const std::lock_guard lock(mutex_);
    static_cast<ProcessChanges&>(out) = pending_.Take(NowMs(), maxBegan);
    out.refused = refused_;
    out.failure = failure_;
    isTold_ = false;
  }
  // What is left, or due later, is to be told.
  if (!stopping_) (void)eventfd_write(wake_.get(), 1);
  return out;
}

void ProcessWatch::Stop() {
  stopping_ = true;
  if (wake_) (void)eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
  connector_.reset();
}

void ProcessWatch::Run() {
  bool isAlive = true;
  while (!stopping_) {
    const int waitMs = Tell();
    pollfd waits[] = {{wake_.get(), POLLIN, 0}, {isAlive ? connector_->fd() : -1, POLLIN, 0}};
    if (poll(waits, 2, waitMs) < 0 && errno != EINTR) isAlive = false;
    if (waits[0].revents != 0) {
      eventfd_t ignored;
      (void)eventfd_read(wake_.get(), &ignored);
    }
    if (waits[1].revents == 0 || stopping_) continue;
    isAlive = Read();
    pollfd pause{wake_.get(), POLLIN, 0};
    // Whoever ends it, or takes, does not wait.
    (void)poll(&pause, 1, kPauseMs);
  }
}

/// False where nothing will come any more.
bool ProcessWatch::Read() {
  using Drained = Connector::Drained;
  Drained drained = Drained::Some;
  while (drained != Drained::All && !stopping_) {
    const std::lock_guard lock(mutex_);
    const uint64_t nowMs = NowMs();
    drained = connector_->Drain([&](const ConnectorEvent& event) { pending_.Add(event, nowMs); });
    refused_ = connector_->refused();
    if (drained == Drained::Lost) pending_.Lose(nowMs);
    if (drained == Drained::Failed) {
      failure_ = SystemFailure(errno, "recvmmsg", "the kernel's connector");
      return false;
    }
  }
  return true;
}

int ProcessWatch::Tell() {
  {
    const std::lock_guard lock(mutex_);
    if (isTold_) return -1;
    const uint64_t nowMs = NowMs();
    const auto dueMs = failure_ ? nowMs : pending_.DueMs(nowMs);
    if (!dueMs) return -1;
    if (*dueMs > nowMs) return static_cast<int>(std::min<uint64_t>(*dueMs - nowMs, 60'000));
    isTold_ = true;
  }
  ready_();
  return -1;
}

}  // namespace otelprof
