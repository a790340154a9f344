#include "daemon/mailbox.hpp"

#include <sys/eventfd.h>

#include <utility>

namespace tine {

Result<std::unique_ptr<Mailbox>> Mailbox::open(asio::io_context& loop) {
  const int bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (bell < 0) return errno_error("make a mailbox");
  std::unique_ptr<Mailbox> mailbox(new Mailbox(loop, bell));
  mailbox->listen();
  return mailbox;
}

void Mailbox::post(std::function<void()> letter) {
  bool is_first = false;
  {
    const std::lock_guard lock(door_);
    is_first = letters_.empty();
    letters_.push_back(std::move(letter));
  }
  if (is_first) ::eventfd_write(bell_.native_handle(), 1);
}

void Mailbox::listen() {
  bell_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const std::error_code& error) {
    if (error) return;
    read();
    listen();
  });
}

void Mailbox::read() {
  eventfd_t rings = 0;
  ::eventfd_read(bell_.native_handle(), &rings);  // before the letters are taken: a later one rings again
  std::vector<std::function<void()>> letters;
  {
    const std::lock_guard lock(door_);
    letters.swap(letters_);
  }
  for (auto& letter : letters) letter();
}

}  // namespace tine
