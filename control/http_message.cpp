#include <algorithm>
#include <string_view>

#include "control/listener.h"
#include "control/url.h"

namespace parley::control {

const std::string* HttpRequest::header(std::string_view lower_case_name) const {
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& header) {
    return header.first == lower_case_name;
  });
  return found != headers.end() ? &found->second : nullptr;
}

std::optional<std::string> HttpRequest::parameter(std::string_view name) const {
  return query_parameter(query, name);
}

}  // namespace parley::control
