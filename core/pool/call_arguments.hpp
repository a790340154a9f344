#pragma once
#include <string>
#include <string_view>

#include "core/pool/functions.hpp"

namespace tine {

/// What a line that is a call says: how its text stands for the arguments.
enum class CallText {
  value,  ///< JSON, the one argument
  text,   ///< no JSON, the one argument as a string
  array,  ///< JSON, the array of all arguments
};

/// The JSON array of the arguments. "": `wrong` says why there is none.
std::string call_arguments(std::string_view text, CallText meaning, CallResult& wrong);

}  // namespace tine
