#include "recorder/upload/signature.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace parley::upload {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kLongestLink = 604'800;

rtp::ConstBytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Sha256 hmac(rtp::ConstBytes key, std::string_view text) {
  Sha256 digest{};
  unsigned size = digest.size();
  const auto bytes = bytes_of(text);
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(),
       digest.data(), &size);
  return digest;
}

// "20130524T000000Z"; its first eight characters are the day.
std::string stamp(std::int64_t now_s) {
  const std::chrono::sys_seconds now{std::chrono::seconds(now_s)};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{now - day};
  std::array<char, 40> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string scope(const std::string& when, const Place& place) {
  return when.substr(0, 8) + "/" + place.region + "/s3/aws4_request";
}

std::string names_of(const Pairs& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

// `headers` sorted; `body` as text, for a link has none that is known.
std::string signature(const Request& request, const Pairs& headers, std::string_view body,
                      const Place& place, const Credentials& credentials, const std::string& when) {
  const std::string query = query_text(request.query);
  std::string canonical = request.method + "\n" + request.path + "\n" +
                          (query.empty() ? query : query.substr(1)) + "\n";
  for (const auto& [name, value] : headers) canonical += name + ":" + value + "\n";
  canonical += "\n" + names_of(headers) + "\n" + std::string(body);
  const std::string text = std::string(kAlgorithm) + "\n" + when + "\n" + scope(when, place) +
                           "\n" + hex(sha256(canonical));
  Sha256 key = hmac(bytes_of("AWS4" + credentials.secret_key), when.substr(0, 8));
  for (const std::string_view part :
       {std::string_view(place.region), std::string_view("s3"), std::string_view("aws4_request")}) {
    key = hmac(key, part);
  }
  return hex(hmac(key, text));
}

bool plain(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

}  // namespace

tl::expected<Place, std::string> Place::of(std::string_view endpoint, std::string_view bucket,
                                           std::string_view region, bool virtual_host) {
  const auto wrong = [](std::string what) { return tl::unexpected(std::move(what)); };
  Place place;
  const std::size_t after = endpoint.find("://");
  place.scheme = lower_case(endpoint.substr(0, after == std::string_view::npos ? 0 : after));
  if (place.scheme != "http" && place.scheme != "https") {
    return wrong("an endpoint begins with http:// or https://");
  }
  std::string_view host = endpoint.substr(after + 3);
  if (host.ends_with('/')) host.remove_suffix(1);
  if (!plain(host, ".-:[]_")) return wrong("an endpoint is http(s)://HOST[:PORT]");
  const std::string_view own = place.scheme == "http" ? ":80" : ":443";
  if (host.ends_with(own)) host.remove_suffix(own.size());
  if (!plain(bucket, ".-_")) return wrong("a bucket's name has letters, digits, . - and _");
  if (!plain(region, "-_")) return wrong("a region's name has letters, digits and -");
  place.host =
      lower_case(virtual_host ? std::string(bucket) + "." + std::string(host) : std::string(host));
  if (!virtual_host) place.base = "/" + std::string(bucket);
  place.region = region;
  return place;
}

std::string Place::path(std::string_view key) const {
  if (key.empty()) return base.empty() ? "/" : base;
  return base + "/" + percent_encoded(key, true);
}

std::string lower_case(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return small;
}

std::string base64(rtp::ConstBytes bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the zero that is written behind it
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (plain({&c, 1}, "-._~") || (keep_slashes && c == '/')) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[byte >> 4U];
      encoded += kDigits[byte & 0xfU];
    }
  }
  return encoded;
}

std::string query_text(Pairs query) {
  for (auto& [name, value] : query) {
    name = percent_encoded(name, false);
    value = percent_encoded(value, false);
  }
  std::sort(query.begin(), query.end());
  std::string text;
  for (const auto& [name, value] : query) text += (text.empty() ? "?" : "&") + name + "=" + value;
  return text;
}

Pairs signed_headers(const Request& request, const Place& place, const Credentials& credentials,
                     std::int64_t now_s) {
  const std::string when = stamp(now_s);
  const std::string body = hex(request.body);
  Pairs added{{"x-amz-content-sha256", body}, {"x-amz-date", when}};
  if (!credentials.session_token.empty()) {
    added.emplace_back("x-amz-security-token", credentials.session_token);
  }
  Pairs all = request.headers;
  all.insert(all.end(), added.begin(), added.end());
  all.emplace_back("host", place.host);
  std::sort(all.begin(), all.end());
  added.emplace_back("authorization",
                     std::string(kAlgorithm) + " Credential=" + credentials.access_key + "/" +
                         scope(when, place) + ",SignedHeaders=" + names_of(all) +
                         ",Signature=" + signature(request, all, body, place, credentials, when));
  return added;
}

std::string presigned_url(const Place& place, const Credentials& credentials, std::string_view key,
                          std::int64_t now_s, std::int64_t ttl_s) {
  const std::string when = stamp(now_s);
  Request request{"GET", place.path(key), {}, {}, {}};
  request.query = {
      {"X-Amz-Algorithm", std::string(kAlgorithm)},
      {"X-Amz-Credential", credentials.access_key + "/" + scope(when, place)},
      {"X-Amz-Date", when},
      {"X-Amz-Expires", std::to_string(std::clamp<std::int64_t>(ttl_s, 1, kLongestLink))},
      {"X-Amz-SignedHeaders", "host"}};
  if (!credentials.session_token.empty()) {
    request.query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  const std::string proof =
      signature(request, {{"host", place.host}}, "UNSIGNED-PAYLOAD", place, credentials, when);
  return place.url(key) + query_text(request.query) + "&X-Amz-Signature=" + proof;
}

}  // namespace parley::upload
