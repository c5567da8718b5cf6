// SPDX-License-Identifier: Apache-2.0
#include "connector.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "monotonic.h"

namespace otelprof {
namespace {

constexpr size_t kDatagrams = 64;
constexpr size_t kDatagramBytes = 256;  // the kernel's have 76

bool IsSameFile(int a, const char* b) {
  struct stat one, other;
  return fstat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

UniqueFd OpenSocket(Failure* failure) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR));
  if (!fd) *failure = SystemFailure(errno, "socket", "a socket of the kernel's connector");
  return fd;
}

/// A socket stays in the namespace it was made in, and a namespace is of a thread: one of our own goes there.
UniqueFd OpenSocketIn(const std::string& networkNamespace, Failure* failure) {
  const UniqueFd there(open(networkNamespace.c_str(), O_RDONLY | O_CLOEXEC));
  if (!there || IsSameFile(there.get(), "/proc/thread-self/ns/net")) return OpenSocket(failure);
  UniqueFd fd;
  std::thread([&] {
    // Refused to who may not: then where we are.
    (void)setns(there.get(), CLONE_NEWNET);
    fd = OpenSocket(failure);
  }).join();
  return fd;
}

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kIsEqual = BPF_JMP | BPF_JEQ | BPF_K;

/// Drops in the kernel what nobody needs: threads, which begin and end more often than processes, and everything but
/// fork, exec, user and exit. The kernel's own filter (6.6) knows no threads and would keep acknowledgements from us.
/// Where it cannot be attached, everything is read.
void AttachFilter(int fd, int ownPid) {
  // Loads are of the network's order, the kernel's numbers are of the machine's.
  const uint32_t own = static_cast<uint32_t>(ownPid);
  std::array program = {
      sock_filter BPF_STMT(kLoad, connector::kWhat),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kNone), 16, 0),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kExec), 15, 0),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kFork), 7, 0),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kComm), 10, 0),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kExit), 1, 0),
      sock_filter BPF_JUMP(kIsEqual, htonl(connector::kUid), 0, 10),
      // Of a process, not of a thread: both ids are the same.
      sock_filter BPF_STMT(kLoad, connector::kThread),
      sock_filter BPF_STMT(BPF_MISC | BPF_TAX, 0),
      sock_filter BPF_STMT(kLoad, connector::kProcess),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
      // Of a fork, those of the child.
      sock_filter BPF_STMT(kLoad, connector::kChildThread),
      sock_filter BPF_STMT(BPF_MISC | BPF_TAX, 0),
      sock_filter BPF_STMT(kLoad, connector::kChildProcess),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 3, 2),
      // A name, of our own threads only.
      sock_filter BPF_STMT(kLoad, connector::kProcess),
      sock_filter BPF_JUMP(kIsEqual, htonl(own), 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
  };
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached));
}

void SetReceiveBuffer(int fd, uint32_t bytes) {
  const int wanted = static_cast<int>(bytes);
  // Above net.core.rmem_max only with CAP_NET_ADMIN.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
}

/// Makes the kernel tell of this process: the thread gets the name it has.
void NameThisThread() {
  char name[16] = {};
  if (prctl(PR_GET_NAME, name) == 0) (void)prctl(PR_SET_NAME, name);
}

}  // namespace

std::unique_ptr<Connector> Connector::Open(const Options& options, uint32_t waitMs, Failure* failure) {
  UniqueFd fd = options.networkNamespace.empty() ? OpenSocket(failure)
                                                 : OpenSocketIn(options.networkNamespace, failure);
  if (!fd) return nullptr;
  SetReceiveBuffer(fd.get(), options.receiveBufferBytes);
  AttachFilter(fd.get(), options.ownPid);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    *failure = SystemFailure(errno, "bind", "the kernel tells of processes, before 6.6, only who has CAP_NET_ADMIN");
    return nullptr;
  }
  std::unique_ptr<Connector> out(new Connector(std::move(fd)));
  if (*failure = out->Verify(options.ownPid, waitMs); *failure) return nullptr;
  return out;
}

Connector::~Connector() {
  // Before 6.6 the kernel counts who listens by such requests alone, and would speak on to nobody.
  if (isListening_) (void)Request(PROC_CN_MCAST_IGNORE, 0);
}

bool Connector::Request(uint32_t operation, uint32_t number) {
  nlmsghdr netlink{};
  cn_msg head{};
  std::array<uint8_t, sizeof(netlink) + sizeof(head) + sizeof(operation)> message;
  netlink.nlmsg_len = message.size();
  netlink.nlmsg_type = NLMSG_DONE;
  head.id = {CN_IDX_PROC, CN_VAL_PROC};
  head.ack = number;
  head.len = sizeof(operation);
  memcpy(message.data(), &netlink, sizeof(netlink));
  memcpy(message.data() + sizeof(netlink), &head, sizeof(head));
  memcpy(message.data() + sizeof(netlink) + sizeof(head), &operation, sizeof(operation));
  return send(socket_.get(), message.data(), message.size(), 0) == static_cast<ssize_t>(message.size());
}

Failure Connector::Verify(int ownPid, uint32_t waitMs) {
  uint32_t number = 0;
  (void)getrandom(&number, sizeof(number), 0);
  if (!Request(PROC_CN_MCAST_LISTEN, number))
    return SystemFailure(errno, "send", "the kernel's connector is not to be had in this network namespace");
  isListening_ = true;
  const uint64_t endMs = NowMs() + waitMs;
  bool isAcknowledged = false, isOurs = false;
  uint32_t error = 0;
  for (uint64_t nowMs = NowMs(); !isOurs && error == 0 && nowMs < endMs; nowMs = NowMs()) {
    pollfd wait{socket_.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(endMs - nowMs)) < 0 && errno != EINTR)
      return SystemFailure(errno, "poll", "the kernel's connector");
    const Drained drained = Drain([&](const ConnectorEvent& event) {
      using Kind = ConnectorEvent::Kind;
      // Acknowledgements of others reach everybody. The number comes back as the next one, the sequence not at all.
      if (event.kind == Kind::Acknowledge && event.acknowledge == number + 1 && !isAcknowledged) {
        error = event.error;
        isAcknowledged = true;
        NameThisThread();
      }
      if (event.kind == Kind::Name && event.pid == ownPid) isOurs = isAcknowledged;
    });
    if (drained == Drained::Failed) return SystemFailure(errno, "recvmmsg", "the kernel's connector");
  }
  if (error != 0) return SystemFailure(static_cast<int>(error), "send", "the kernel does not tell of processes");
  if (isOurs) return {};
  Failure out;
  out.message = isAcknowledged ? "the kernel tells of processes by other numbers than those of /proc"
                               : "the kernel does not acknowledge: this is not the host's first pid and user "
                                 "namespace, or it is built without CONFIG_PROC_EVENTS";
  return out;
}

Connector::Drained Connector::Drain(const std::function<void(const ConnectorEvent&)>& tell) {
  std::array<std::array<uint8_t, kDatagramBytes>, kDatagrams> bytes;
  std::array<iovec, kDatagrams> parts;
  std::array<sockaddr_nl, kDatagrams> senders{};
  std::array<mmsghdr, kDatagrams> messages{};
  for (size_t i = 0; i < kDatagrams; i++) {
    parts[i] = {bytes[i].data(), kDatagramBytes};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &senders[i];
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_nl);
  }
  const int count = recvmmsg(socket_.get(), messages.data(), kDatagrams, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return Drained::All;
    return errno == ENOBUFS ? Drained::Lost : Drained::Failed;
  }
  for (int i = 0; i < count; i++) {
    const msghdr& head = messages[i].msg_hdr;
    const bool isKernel = head.msg_namelen == sizeof(sockaddr_nl) && senders[i].nl_family == AF_NETLINK &&
                          senders[i].nl_pid == 0 && (head.msg_flags & MSG_TRUNC) == 0;
    const ReadMessage read =
        isKernel ? ReadConnectorMessage({bytes[i].data(), messages[i].msg_len}) : ReadMessage{std::nullopt, true};
    refused_ += read.refused;
    if (read.event) tell(*read.event);
  }
  return static_cast<size_t>(count) == kDatagrams ? Drained::Some : Drained::All;
}

}  // namespace otelprof
