#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_map>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "daemon/jobs.hpp"

/// From a request to stored jobs.
namespace tine {
namespace {

/// A request of so many jobs takes some MiB, and a pass over the heap some milliseconds.
constexpr std::size_t trimmed_after_jobs = 4096;

}  // namespace

/// One request on its way to the disk. `specs`, `bytes`, `ids`, `is_new` and `intended` go side by side, one
/// a job.
struct Jobs::Batch {
  std::vector<JobSpec> specs;
  std::vector<std::string> bytes;
  std::vector<JobId> ids;
  std::vector<bool> is_new;  ///< false: the key belongs to a job that is there; its id stands in
  std::vector<bool> intended;
  std::vector<JobId> replaced;
  std::map<std::string, JobId> known_keys;  ///< idempotency keys that are taken
  std::map<JobId, JobState> ended;          ///< of the dependencies
  std::vector<JobId> unsure;                ///< who has a key and was on its way to the disk itself
  JobId first_new = 0;
  bool key_was_taken = false;  ///< by a request that came in between
  std::shared_ptr<const std::string> environment;
  Micros submitted = now_micros();
};

namespace {

Error no_such_job(JobId id) {
  return make_error(Errc::usage, "after: there is no job " + std::to_string(id));
}

Error at_line(const Error& error, std::size_t line, std::size_t lines) {
  return lines > 1 ? Error{error.code, "line " + std::to_string(line + 1) + ": " + error.context} : error;
}

/// The lines a line waits for, by the names it gives. Errors: Errc::usage for a name that no line has, and
/// for a cycle.
Result<std::vector<std::vector<std::size_t>>> lines_waited_for(
    const std::vector<ipc::Submission>& submissions) {
  std::vector<std::vector<std::size_t>> waited_for(submissions.size());
  if (std::all_of(submissions.begin(), submissions.end(),
                  [](const auto& submission) { return submission.after_names.empty(); }))
    return waited_for;
  std::unordered_multimap<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < submissions.size(); ++i) by_name.emplace(submissions[i].spec.name, i);
  std::vector<std::vector<std::size_t>> waiting(submissions.size());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    for (const auto& name : submissions[i].after_names) {
      const auto [first, last] = by_name.equal_range(name);
      if (first == last || name.empty())
        return at_line(make_error(Errc::usage, "after: no line of this batch has the name \"" + name + "\""),
                       i, submissions.size());
      for (auto it = first; it != last; ++it) {
        waited_for[i].push_back(it->second);
        waiting[it->second].push_back(i);
      }
    }
  }
  // Kahn 1962: what is left when no line without open dependencies is left lies on a cycle, or behind one.
  std::vector<std::size_t> open(submissions.size()), ready;
  for (std::size_t i = 0; i < open.size(); ++i)
    if ((open[i] = waited_for[i].size()) == 0) ready.push_back(i);
  for (std::size_t at = 0; at < ready.size(); ++at)
    for (const std::size_t next : waiting[ready[at]])
      if (--open[next] == 0) ready.push_back(next);
  for (std::size_t i = 0; i < open.size(); ++i)
    if (open[i] != 0)
      return at_line(make_error(Errc::usage, "after: the jobs wait for each other in a cycle"), i,
                     submissions.size());
  return waited_for;
}

/// What a coroutine pool cannot give a job: its functions share one process.
Status check_task(const JobSpec& spec) {
  const std::string where = "pool: \"" + spec.pool + "\" is of kind coroutine: ";
  if (spec.kind == JobKind::command)
    return make_error(Errc::usage, where + "it runs functions (--fn NAME), no commands");
  if (!spec.own_surroundings.empty())
    return make_error(Errc::usage,
                      where + "its functions share one process; not allowed: " + spec.own_surroundings);
  return ok();
}

}  // namespace

Status Jobs::check(const std::vector<ipc::Submission>& submissions) {
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    const JobSpec& spec = submissions[i].spec;
    const auto found = open_pool(spec.pool);
    Status status = found ? ok() : Status(found.error());
    if (status && spec.kind == JobKind::function) status = check_function(spec.function, **found);
    if (status && (*found)->concurrency > 0) status = check_task(spec);
    if (status && spec.slots > (*found)->size)
      status =
          make_error(Errc::usage, "slots: " + std::to_string(spec.slots) + " are more than pool " +
                                      spec.pool + " has; allowed: 1 to " + std::to_string((*found)->size));
    if (!status) return at_line(status.error(), i, submissions.size());
  }
  return ok();
}

void Jobs::submit(std::vector<ipc::Submission> submissions, const std::string& environment, Submitted done) {
  if (auto status = check(submissions); !status) return done(status.error());
  failpoint("job.received");
  auto batch = std::make_shared<Batch>();
  batch->environment = std::make_shared<const std::string>(environment);
  std::vector<std::string> keys;
  for (const auto& submission : submissions)
    if (!submission.spec.idempotency_key.empty()) keys.push_back(submission.spec.idempotency_key);
  const auto go_on = [this, batch, done](std::vector<ipc::Submission> all) {
    if (auto status = expand(std::move(all), *batch); !status) return done(status.error());
    store_batch(batch, done);
  };
  if (keys.empty()) return go_on(std::move(submissions));
  // Two requests with one key may both find it free: the second meets the first one's row, and asks again.
  const auto again = [this, batch, submissions, environment, done](const Result<std::vector<JobId>>& stored) {
    if (batch->key_was_taken) return submit(submissions, environment, done);
    done(stored);
  };
  store_.submit(
      [batch, keys](JobTable& table) -> Status {
        for (const auto& key : keys) {
          auto id = table.id_of_key(key);
          if (!id) return id.error();
          if (*id != 0) batch->known_keys[key] = *id;
        }
        return ok();
      },
      [this, batch, submissions, again](Status status) {
        if (status) status = expand(submissions, *batch);
        if (!status) return again(status.error());
        store_batch(batch, again);
      });
}

Status Jobs::expand(std::vector<ipc::Submission> submissions, Batch& batch) {
  auto waited_for = lines_waited_for(submissions);
  if (!waited_for) return waited_for.error();
  batch.first_new = next_id_;
  for (std::size_t line = 0; line < submissions.size(); ++line)
    for (const auto& dependency : submissions[line].spec.dependencies)
      if (dependency.job >= batch.first_new)
        return at_line(no_such_job(dependency.job), line, submissions.size());
  std::vector<std::pair<std::size_t, std::size_t>> jobs_of_line;  // first and end, in the batch
  jobs_of_line.reserve(submissions.size());
  batch.specs.reserve(submissions.size());
  for (auto& submission : submissions) {
    const std::size_t first = batch.specs.size();
    if (submission.array) {
      const JobId array_id = next_id_;
      for (const std::uint32_t index : submission.array->indexes) {
        batch.specs.push_back(submission.spec);
        batch.specs.back().array_index = index;
        batch.specs.back().array_max = submission.array->at_once_max;
        if (submission.array->at_once_max > 0) batch.specs.back().array_id = array_id;
        batch.ids.push_back(next_id_++);
      }
    } else {
      batch.specs.push_back(std::move(submission.spec));
      batch.ids.push_back(next_id_++);
    }
    jobs_of_line.emplace_back(first, batch.specs.size());
  }
  batch.is_new.assign(batch.specs.size(), true);
  if (auto status = settle_keys(batch); !status) return status;
  for (std::size_t line = 0; line < submissions.size(); ++line)
    for (const std::size_t other : (*waited_for)[line])
      for (auto job = jobs_of_line[line].first; job < jobs_of_line[line].second; ++job)
        for (auto one = jobs_of_line[other].first; one < jobs_of_line[other].second; ++one)
          batch.specs[job].dependencies.push_back({After::ok, batch.ids[one]});
  return ok();
}

/// Gives each job whose key is taken the id of who has it, or lets it wait for that one.
Status Jobs::settle_keys(Batch& batch) {
  const auto stand_in = [&](std::size_t i, JobId id) {
    batch.ids[i] = id;
    batch.is_new[i] = false;
    if (!live_.contains(id)) batch.unsure.push_back(id);
  };
  for (std::size_t i = 0; i < batch.specs.size(); ++i) {
    JobSpec& spec = batch.specs[i];
    if (const auto known = batch.known_keys.find(spec.idempotency_key); known != batch.known_keys.end()) {
      batch.ids[i] = known->second;
      batch.is_new[i] = false;
      continue;
    }
    if (!spec.idempotency_key.empty()) batch.known_keys[spec.idempotency_key] = batch.ids[i];
    if (spec.unique_key.empty()) continue;
    const auto holders = gates_.holders_of(spec.unique_key);
    if (!holders.empty() && spec.on_duplicate == OnDuplicate::skip) {
      stand_in(i, holders.front());
      continue;
    }
    if (!holders.empty() && spec.on_duplicate == OnDuplicate::error) {
      give_keys_back(batch);
      return make_error(Errc::try_later, "unique: job " + std::to_string(holders.front()) +
                                             " has the key \"" + spec.unique_key + "\" and has not ended");
    }
    for (const JobId holder : holders) spec.dependencies.push_back({After::any, holder});
    if (spec.on_duplicate == OnDuplicate::replace)
      batch.replaced.insert(batch.replaced.end(), holders.begin(), holders.end());
    gates_.claim(spec.unique_key, batch.ids[i]);
  }
  return ok();
}

void Jobs::give_keys_back(const Batch& batch) {
  for (std::size_t i = 0; i < batch.specs.size(); ++i)
    if (batch.is_new[i] && !batch.specs[i].unique_key.empty())
      gates_.disclaim(batch.specs[i].unique_key, batch.ids[i]);
}

void Jobs::choose_intended(Batch& batch) {
  std::map<Pool*, std::size_t> taken;
  for (std::size_t i = 0; i < batch.specs.size(); ++i) {
    Pool* target = pool(batch.specs[i].pool);
    std::size_t idle = 0;
    for (const Worker* worker : target->seats) idle += worker ? worker->room() : 0;
    // With a worker free for it, the intent is stored in the same commit as the job: one wait for the disk
    // less.
    const bool intend = !batch.specs[i].has_conditions() && !target->is_paused && target->queue.is_empty() &&
                        idle > target->ready.size() + target->intending + taken[target];
    if (intend) ++taken[target];
    batch.intended.push_back(intend);
  }
}

Status Jobs::insert(JobTable& table, Batch& batch) {
  batch.ended.clear();
  auto environment_id = table.environment(*batch.environment);
  if (!environment_id) return environment_id.error();
  for (std::size_t i = 0; i < batch.ids.size(); ++i) {
    if (!batch.is_new[i]) continue;
    const JobSpec& spec = batch.specs[i];
    for (const auto& dependency : spec.dependencies) {
      if (dependency.job >= batch.first_new || batch.ended.contains(dependency.job)) continue;
      auto state = table.state_of(dependency.job);
      if (!state) return state.error();
      if (!*state) return no_such_job(dependency.job);
      if (has_ended(**state)) batch.ended[dependency.job] = **state;
    }
    if (!spec.idempotency_key.empty()) {
      auto taken = table.id_of_key(spec.idempotency_key);
      if (!taken) return taken.error();
      batch.key_was_taken = *taken != 0;
      if (batch.key_was_taken) return make_error(Errc::try_later, "idempotency_key: it was taken meanwhile");
    }
    const JobState state = batch.intended[i]       ? JobState::running
                           : spec.has_conditions() ? JobState::waiting
                                                   : JobState::queued;
    const JobTable::NewJob job{batch.ids[i], state, batch.submitted, &spec, batch.bytes[i]};
    if (auto status = table.insert(job, *environment_id); !status) return status;
  }
  return ok();
}

void Jobs::store_batch(const std::shared_ptr<Batch>& batch, Submitted done) {
  choose_intended(*batch);
  batch->bytes.reserve(batch->specs.size());
  for (const auto& spec : batch->specs) batch->bytes.push_back(encode(spec));
  store_.submit([batch](JobTable& table) { return insert(table, *batch); },
                [this, batch, done = std::move(done)](Status status) {
                  // Who holds a key may have failed to be stored just before.
                  for (const JobId id : batch->unsure)
                    if (status && !live_.contains(id))
                      status = make_error(Errc::io, "unique: job " + std::to_string(id) +
                                                        ", which has the key, could not be stored");
                  if (!status) {
                    give_keys_back(*batch);
                    return done(status.error());
                  }
                  failpoint("job.stored");
                  done(batch->ids);  // first: who waits for the answer runs while the rest is done
                  for (std::size_t i = 0; i < batch->ids.size(); ++i)
                    if (batch->is_new[i]) accept(*batch, i);
                  events_.stored();
                  for (const JobId id : batch->replaced) cancel(id, {}, [](Status) {});
                  failpoint("job.id_printed");
                  // When all that the request took is free again, malloc keeps it: between what stays it has
                  // holes.
                  if (batch->ids.size() >= trimmed_after_jobs) asio::post(loop_, [] { ::malloc_trim(0); });
                });
}

void Jobs::accept(Batch& batch, std::size_t i) {
  const JobSpec& spec = batch.specs[i];
  const JobId id = batch.ids[i];
  Pool* target = pool(spec.pool);
  LiveJob& job = live_[id];
  job.pool = target;
  job.priority = spec.priority;
  job.kind = spec.kind;
  job.slots = static_cast<std::uint16_t>(spec.slots);
  job.foreground = spec.foreground != Foreground::no;
  job.has_callback = !spec.callback.empty();
  job.has_conditions = spec.has_conditions();
  ++target->queued;
  ++submitted_;
  if (job.has_conditions) {
    gates_.enter(id, spec, spec.not_before, batch.ended);
    job.phase = LiveJob::Phase::waiting;
    line_up(id);
  } else if (batch.intended[i]) {
    make_ready(*target, id, {1, std::move(batch.bytes[i]), batch.environment});
  } else {
    target->queue.push(id, spec.priority);
  }
  pump_soon(*target);
}

void Jobs::retry(JobId id, Submitted done) {
  struct Read {
    ipc::Submission submission;
    std::string environment;
  };
  auto read = std::make_shared<Read>();
  store_.submit(
      [read, id](JobTable& table) -> Status {
        auto row = table.row(id);
        if (!row) return row.error();
        if (!*row) return make_error(Errc::absent, "there is no job " + std::to_string(id));
        if (!has_ended((*row)->state))
          return make_error(Errc::absent, "job " + std::to_string(id) + " has not ended");
        auto environment = table.environment_of(id);
        if (!environment) return environment.error();
        read->submission.spec = std::move((*row)->spec);
        read->environment = std::move(*environment);
        return ok();
      },
      [this, read, done = std::move(done)](Status status) {
        if (!status) return done(status.error());
        JobSpec& spec = read->submission.spec;
        spec.not_before = 0;
        spec.dependencies.clear();
        spec.idempotency_key.clear();
        spec.array_max = 0;
        spec.array_id = 0;
        spec.foreground = Foreground::no;
        if (spec.stdin_is_spooled) {
          // Each job owns its copy: the name is given away with the job.
          const std::string copy = spec.stdin_path + "." + std::to_string(next_id_);
          if (::link(spec.stdin_path.c_str(), copy.c_str()) != 0)
            return done(make_error(Errc::io, errno_error("keep its stdin " + spec.stdin_path).message()));
          spec.stdin_path = copy;
        }
        submit({std::move(read->submission)}, read->environment, done);
      });
}

}  // namespace tine
