#pragma once
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/shared/folder.hpp"

namespace tine::shared {

using Json = nlohmann::json;
/// 1 and "1" differ. Sorted: whole numbers by their value, then strings by their bytes. At most 500 bytes.
using Key = std::variant<std::int64_t, std::string>;

/// JSON values by key, in a file of their own. Each call is one transaction: all of it or nothing, whoever is
/// killed when; readers see one snapshot and never wait. A handle may be used after a fork, and by several
/// threads.
class Dict {
 public:
  struct Item {
    Key key;
    Json value;
  };

  /// Errors: as Folder::create(), Folder::attach().
  static Result<Dict> open_or_create(const Folder& folder, const std::string& name);
  static Result<Dict> open(const Folder& folder, const std::string& name);
  /// In a folder of its own below $TMPDIR (/tmp), gone when this process ends, and for those that it forks
  /// later.
  static Result<Dict> anonymous();

  // Errors of all: Errc::usage for a key that is too long or a value that is not UTF-8; Errc::cannot_create
  // when it does not fit; Errc::io for damage.

  Status set(const Key& key, const Json& value);
  Result<std::optional<Json>> find(const Key& key);
  Result<bool> erase(const Key& key);  ///< whether it was there
  Result<std::optional<Json>> pop(const Key& key);
  /// The new value; an absent one counts as 0. Errors: Errc::usage when either is no number, or the sum does
  /// not fit.
  Result<Json> incr(const Key& key, const Json& by);
  /// Sets `next` if the value equals `expected`. False: it does not, or there is none.
  Result<bool> cas(const Key& key, const Json& expected, const Json& next);
  Result<std::vector<Item>> items();
  Result<std::vector<Key>> keys();
  Result<std::uint64_t> size();
  Status clear();

  /// Reads all of it. Errors: Errc::io, poisoned, when something cannot be read.
  Status verify();
  void clear_dead_readers();

 private:
  struct Home;
  explicit Dict(std::shared_ptr<Home> home) : home_(std::move(home)) {}
  static Result<Dict> enter(std::shared_ptr<Segment> header, std::string folder,
                            std::optional<Folder> budget);
  Result<class DictEnvironment*> environment();
  template <class Body>
  Status read(const Body& body);
  template <class Body>
  Status write(const Body& body);
  Status walk(const std::function<bool(std::string_view key, std::string_view value)>& visit);
  Error damaged();
  std::shared_ptr<Home> home_;
};

}  // namespace tine::shared
