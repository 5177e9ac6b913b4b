#include "control/pages.h"

#include <string>

#include "control/embedded_files.h"

namespace parley::control {
namespace {

std::string_view content_type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  if (name.ends_with(".png")) return "image/png";
  if (name.ends_with(".ico")) return "image/x-icon";
  if (name.ends_with(".json")) return "application/json";
  return "text/plain; charset=utf-8";
}

// The library is for other people's pages, too, and the player for whoever has a link; the demo can
// be switched off.
bool is_always_there(std::string_view name) {
  return name.starts_with("parley") || name.starts_with("player") || name == "ui.js" ||
         name == "icon.svg";
}

HttpResponse page(const EmbeddedFile& file, std::string_view media_origin) {
  HttpResponse response;
  response.content_type = std::string(content_type_of(file.name));
  response.body = std::string(file.content);
  const std::string origin(media_origin);
  response.headers = {
      {"X-Content-Type-Options", "nosniff"},
      {"Cache-Control", "no-cache"},
      {"Referrer-Policy", "no-referrer"},
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: " +
           origin + "; media-src 'self' blob: " + origin +
           "; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'self'"}};
  return response;
}

const EmbeddedFile* find_file(std::string_view name) {
  for (const EmbeddedFile& file : web_files()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace

HttpResponse serve_page(std::string_view path, bool demo_page, std::string_view media_origin) {
  std::string_view name = path.substr(1);
  if (name.empty() || name == "demo") name = "index.html";
  const bool shown = demo_page || is_always_there(name);
  const EmbeddedFile* const file = shown && name != "player.html" ? find_file(name) : nullptr;
  if (file != nullptr) return page(*file, media_origin);
  HttpResponse response;
  response.headers = {{"X-Content-Type-Options", "nosniff"}};
  response.status = 404;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "not found\n";
  return response;
}

HttpResponse serve_player(const Json& recording, std::string_view media_origin) {
  HttpResponse response = page(*find_file("player.html"), media_origin);
  // As JSON in the page; an element cannot be ended from within it.
  std::string text;
  for (const char c : recording.dump()) {
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  }
  constexpr std::string_view kPlace = "application/json\">{}";
  const std::size_t place = response.body.find(kPlace);
  response.body.replace(place + kPlace.size() - 2, 2, text);
  response.headers[1].second = "private, no-store";
  return response;
}

}  // namespace parley::control
