#include <iostream>
#include <tine/client.hpp>

int main() {
  tine::Client c;
  const std::uint64_t id = c.submit({"echo", "hi"});
  std::cout << c.wait(id)["stdout"].get<std::string>() << c.call("echo", 1) << '\n';
}
