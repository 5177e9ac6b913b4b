#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

// How load.cpp reads a mapping of YAML: each key once, by name and kind, and no key that nobody
// asked for. Whatever is wrong is thrown as a Mistake with its place.
namespace parley::config {

// Thrown from the depth of the walk and caught in load_text: loading happens at start-up, where
// exceptions are allowed, and yaml-cpp throws anyway.
struct Mistake {
  YAML::Mark mark;
  std::string text;
};

[[noreturn]] inline void fail(const YAML::Node& at, const std::string& key,
                              const std::string& what) {
  throw Mistake{at.Mark(), key + ": " + what};
}

inline std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return "\"" + node.Scalar() + "\"";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a section";
  }
  return "nothing";
}

// "!" is yaml-cpp's tag of a quoted scalar: "5" in quotes is text, not a number.
inline bool is_plain_scalar(const YAML::Node& node) { return node.IsScalar() && node.Tag() != "!"; }

template <class Int>
Int read_int(const YAML::Node& node, const std::string& key, Int low, Int high) {
  std::uint64_t value = 0;
  const std::string text = is_plain_scalar(node) ? node.Scalar() : "";
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument) {
    fail(node, key, "expected a whole number, found " + kind_of(node));
  }
  if (error != std::errc{} || value < low || value > high) {
    fail(node, key,
         text + " is out of range, " + std::to_string(low) + " to " + std::to_string(high) +
             " are allowed");
  }
  return static_cast<Int>(value);
}

// "500ms", "30s", "5m": at most a day.
inline std::uint32_t read_duration_ms(const YAML::Node& node, const std::string& key) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::uint64_t unit_ms = unit == "ms"  ? 1
                                : unit == "s" ? 1'000
                                : unit == "m" ? 60'000
                                : unit == "h" ? 3'600'000
                                              : 0;
  if (error != std::errc{} || unit_ms == 0) {
    fail(node, key, "expected a duration as 500ms, 30s, 5m or 1h, found " + kind_of(node));
  }
  constexpr std::uint64_t kDayMs = 86'400'000;
  if (value == 0 || value > kDayMs / unit_ms) {
    fail(node, key, text + " is out of range, 1ms to 24h are allowed");
  }
  return static_cast<std::uint32_t>(value * unit_ms);
}

inline bool read_bool(const YAML::Node& node, const std::string& key) {
  if (is_plain_scalar(node) && node.Scalar() == "true") return true;
  if (is_plain_scalar(node) && node.Scalar() == "false") return false;
  fail(node, key, "expected true or false, found " + kind_of(node));
}

inline std::string read_string(const YAML::Node& node, const std::string& key) {
  if (!node.IsScalar()) fail(node, key, "expected text, found " + kind_of(node));
  if (node.Scalar().find('\0') != std::string::npos) fail(node, key, "holds a zero byte");
  return node.Scalar();
}

constexpr std::size_t kMaxListEntries = 1'024;

inline std::vector<std::string> read_strings(const YAML::Node& node, const std::string& key) {
  if (!node.IsSequence()) fail(node, key, "expected a list, found " + kind_of(node));
  if (node.size() > kMaxListEntries) fail(node, key, "more than 1024 entries");
  std::vector<std::string> texts;
  for (const YAML::Node& entry : node) texts.push_back(read_string(entry, key));
  return texts;
}

template <class Enum>
using Choices = std::vector<std::pair<std::string_view, Enum>>;

template <class Enum>
Enum read_choice(const YAML::Node& node, const std::string& key, const Choices<Enum>& choices) {
  const std::string text = read_string(node, key);
  std::string known;
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail(node, key, "\"" + text + "\" is none of " + known);
}

// One section of the file while it is read: every field asks for its key once, and finish()
// complains about the first key that nobody asked for.
class Section {
 public:
  Section(const YAML::Node& node, std::string path) : node_(node), path_(std::move(path)) {
    if (node_.IsNull()) return;  // "log:" with nothing below keeps its defaults
    if (!node_.IsMap()) fail(node_, path_, "expected a section, found " + kind_of(node_));
    std::set<std::string> seen;
    for (const auto& entry : node_) {
      const std::string key = read_string(entry.first, path_.empty() ? "key" : path_);
      if (!seen.insert(key).second) fail(entry.first, name(key), "given twice");
    }
  }

  template <class Int>
  Section& number(const char* key, Int& into, std::uint64_t low, std::uint64_t high) {
    with(key, [&](const YAML::Node& node) {
      into = read_int<Int>(node, name(key), static_cast<Int>(low), static_cast<Int>(high));
    });
    return *this;
  }
  Section& flag(const char* key, bool& into) {
    with(key, [&](const YAML::Node& node) { into = read_bool(node, name(key)); });
    return *this;
  }
  Section& text(const char* key, std::string& into) {
    with(key, [&](const YAML::Node& node) { into = read_string(node, name(key)); });
    return *this;
  }
  Section& texts(const char* key, std::vector<std::string>& into) {
    with(key, [&](const YAML::Node& node) { into = read_strings(node, name(key)); });
    return *this;
  }
  template <class Enum>
  Section& choice(const char* key, Enum& into, const Choices<Enum>& choices) {
    with(key, [&](const YAML::Node& node) { into = read_choice(node, name(key), choices); });
    return *this;
  }
  Section& section(const char* key, const std::function<void(Section&)>& read) {
    with(key, [&](const YAML::Node& node) {
      Section child(node, name(key));
      read(child);
      child.finish();
    });
    return *this;
  }
  Section& duration(const char* key, std::uint32_t& into_ms) {
    with(key, [&](const YAML::Node& node) { into_ms = read_duration_ms(node, name(key)); });
    return *this;
  }
  // Names of the user's own, each with a duration.
  Section& durations(const char* key, std::map<std::string, std::uint32_t>& into_ms) {
    with(key, [&](const YAML::Node& node) {
      const Section names(node, name(key));  // complains of what comes twice
      if (!node.IsMap()) return;
      if (node.size() > kMaxListEntries) fail(node, name(key), "more than 1024 entries");
      for (const auto& entry : node) {
        const std::string& id = entry.first.Scalar();
        into_ms[id] = read_duration_ms(entry.second, names.name(id));
      }
    });
    return *this;
  }
  // A list of sections; `read` is called with each.
  Section& sections(const char* key, const std::function<void(Section&)>& read) {
    with(key, [&](const YAML::Node& node) {
      if (!node.IsSequence()) fail(node, name(key), "expected a list, found " + kind_of(node));
      if (node.size() > kMaxListEntries) fail(node, name(key), "more than 1024 entries");
      std::size_t index = 0;
      for (const YAML::Node& entry : node) {
        Section child(entry, name(key) + "[" + std::to_string(index++) + "]");
        read(child);
        child.finish();
      }
    });
    return *this;
  }

  void finish() const {
    if (!node_.IsMap()) return;
    for (const auto& entry : node_) {
      const std::string& key = entry.first.Scalar();
      if (asked_.contains(key)) continue;
      std::string known;
      for (const std::string& one : asked_) known += (known.empty() ? "" : ", ") + one;
      fail(entry.first, name(key), "unknown key; known here: " + known);
    }
  }

  [[nodiscard]] const YAML::Node& node() const { return node_; }
  [[nodiscard]] std::string name(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }
  // Where a key stands, for mistakes that show only when several are seen together.
  [[nodiscard]] YAML::Node at(const std::string& key) const {
    for (const auto& entry : node_) {
      if (entry.first.Scalar() == key) return entry.second;
    }
    return node_;
  }

 private:
  void with(const char* key, const std::function<void(const YAML::Node&)>& read) {
    asked_.insert(key);
    if (!node_.IsMap()) return;
    for (const auto& entry : node_) {
      if (entry.first.Scalar() == key) read(entry.second);
    }
  }

  YAML::Node node_;
  std::string path_;
  std::set<std::string> asked_;
};

}  // namespace parley::config
