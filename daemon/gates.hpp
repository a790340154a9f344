#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/job/job.hpp"

namespace tine {

/// What keeps a job out of its line, and what binds it to others: a time, other jobs' ends, its key, its
/// array. Holds only the jobs that have such conditions; knows nothing of pools, and owns nothing on disk:
/// after a restart it is filled again from the stored specs.
class Gates {
 public:
  /// Takes a job in. `ended`: those of its dependencies that have ended; the others are waited for.
  /// `not_before`: 0, or when its next attempt may start.
  void enter(JobId id, const JobSpec& spec, Micros not_before, const std::map<JobId, JobState>& ended);
  /// It has ended for good: its key and its place are free.
  void leave(JobId id);

  /// Nothing keeps it: no time to come, no end to wait for. True for a job that was never taken in.
  bool is_open(JobId id, Micros now) const;
  /// The dependency that can never hold any more, 0: none.
  JobId broken_by(JobId id) const;
  /// What it waits for, in words; "": nothing.
  std::string why(JobId id, Micros now) const;

  /// Jobs whose dependencies are decided, one way or the other, by this end.
  std::vector<JobId> job_ended(JobId id, JobState state);
  /// The jobs whose ends jobs here have asked for: they are not forgotten meanwhile.
  std::set<JobId> depended_on() const;

  void delay_until(JobId id, Micros time);
  /// Takes out those whose time has come.
  std::vector<JobId> due(Micros now);
  std::optional<Micros> next_due() const;

  /// The next attempt's start, where the job has one left after `attempt`; nothing where it has not.
  std::optional<Micros> retry_at(JobId id, std::uint32_t attempt, Micros now) const;

  /// Unfinished jobs of a unique key, oldest first. A key is claimed before its job is stored.
  std::vector<JobId> holders_of(const std::string& key) const;
  void claim(const std::string& key, JobId id);
  void disclaim(const std::string& key, JobId id);

  /// For an element of an array with a bound: a place to run in. false: all are taken, and the job is told by
  /// give_place_back when one is free. A job that has one gets it again; one without such an array always.
  bool take_place(JobId id);
  /// The element that may have the place now, if one waits.
  std::optional<JobId> give_place_back(JobId id);

 private:
  struct Entry {
    std::vector<Dependency> unmet;
    std::vector<JobId> asked;  ///< all it depends on, kept from being forgotten
    JobId broken_by = 0;
    Micros not_before = 0;
    std::uint32_t retries = 0;
    double retry_delay_s = 0, backoff = 1;
    std::string unique_key;
    JobId array = 0;
  };
  struct Array {
    std::uint32_t places = 0;
    std::size_t members = 0;
    std::set<JobId> running;
    std::set<JobId> waiting;  ///< the oldest is next
  };

  std::unordered_map<JobId, Entry> entries_;
  std::unordered_multimap<JobId, JobId> dependents_;  ///< job that is waited for -> who waits
  std::unordered_map<JobId, std::size_t> depended_on_;
  std::set<std::pair<Micros, JobId>> times_;
  std::map<std::string, std::vector<JobId>> keys_;
  std::map<JobId, Array> arrays_;
};

}  // namespace tine
