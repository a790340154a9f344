#pragma once
#include <string>

namespace CLI {
class App;
}

namespace tine {

/// tined(8) in roff: the options are those of `app`.
std::string tined_manual(const CLI::App& app);

}  // namespace tine
