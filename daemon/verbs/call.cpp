#include "daemon/dispatch.hpp"
#include "daemon/single_calls.hpp"

namespace tine::verbs {
namespace {

struct Wanted {
  std::string function, pool, args_json = "[]";
  std::optional<double> timeout_s;
};

Result<Wanted> wanted_from(const ipc::Json& params) {
  for (const auto& [key, value] : params.items())
    if (key != "function" && key != "args" && key != "pool" && key != "timeout")
      return make_error(Errc::usage, key + ": unknown field; allowed: function args pool timeout");
  Wanted wanted;
  auto function = ipc::string_field(params, "function", "");
  if (!function) return function.error();
  wanted.function = std::move(*function);
  if (wanted.function.empty()) return make_error(Errc::usage, "function: must be a function's name");
  auto pool = ipc::string_field(params, "pool", "default");
  if (!pool) return pool.error();
  wanted.pool = std::move(*pool);
  if (const auto args = params.find("args"); args != params.end()) {
    if (!args->is_array()) return make_error(Errc::usage, "args: must be an array of the arguments");
    wanted.args_json = args->dump();
  }
  if (const auto given = params.find("timeout"); given != params.end() && !given->is_null()) {
    auto timeout = ipc::duration_field(params, "timeout", 0);
    if (!timeout) return timeout.error();
    wanted.timeout_s = *timeout;
  }
  return wanted;
}

Answer fail(Call& call, const std::string& type, const std::string& message) {
  call.error_type = type;
  return make_error(Errc::absent, message);
}

}  // namespace

/// Runs a function now, and answers with its result. Not stored: gone with the connection.
Answer call(Call& call) {
  const auto wanted = wanted_from(call.params);
  if (!wanted) return wanted.error();
  Jobs& jobs = call.services.jobs;
  const auto pool = jobs.open_pool(wanted->pool);
  if (!pool) return pool.error();
  if (auto known = jobs.check_function(wanted->function, **pool); !known) return known.error();
  if (!call.single_calls) {
    call.single_calls = std::make_shared<SingleCalls>(call.services);
    call.channel.on_close([calls = std::weak_ptr(call.single_calls)] {
      if (const auto alive = calls.lock()) alive->close();
    });
  }
  const auto calls = call.single_calls;
  auto answer = calls->call(**pool, wanted->function, wanted->args_json, wanted->timeout_s);
  if (!answer) {
    if (answer.error().code == make_error_code(Errc::timed_out)) call.error_type = "TimeoutError";
    return answer.error();
  }
  if (answer->kind == AnswerKind::died) return fail(call, worker_died_type, answer->bytes);
  if (answer->kind == AnswerKind::error) {
    std::string type, message;
    decode_error(answer->bytes, type, message);
    return fail(call, type, message);
  }
  // Looked through, not taken apart and put together again.
  if (!ipc::OrderedJson::accept(answer->bytes))
    return fail(call, "BadReply", "the function gave back what is no JSON");
  if (answer->bytes.find('\n') != std::string::npos) return ipc::OrderedJson::parse(answer->bytes);
  call.result_text = std::move(answer->bytes);
  return ipc::OrderedJson();
}

}  // namespace tine::verbs
