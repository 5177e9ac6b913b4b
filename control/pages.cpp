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

}  // namespace

HttpResponse serve_page(std::string_view path, bool demo_page) {
  HttpResponse response;
  response.headers = {{"X-Content-Type-Options", "nosniff"}};
  std::string_view name = path.substr(1);
  if (name.empty() || name == "demo") name = "index.html";
  // The library is for other people's pages, too; the demo can be switched off.
  if (demo_page || name == "parley.js") {
    for (const EmbeddedFile& file : web_files()) {
      if (file.name != name) continue;
      response.content_type = std::string(content_type_of(name));
      response.body = std::string(file.content);
      response.headers.emplace_back("Cache-Control", "no-cache");
      response.headers.emplace_back("Referrer-Policy", "no-referrer");
      response.headers.emplace_back(
          "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
          "data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'self'");
      return response;
    }
  }
  response.status = 404;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "not found\n";
  return response;
}

}  // namespace parley::control
