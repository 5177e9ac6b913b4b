#include "recorder/compose/label.h"

#include <algorithm>
#include <iterator>
#include <memory>

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavutil/opt.h>
}

namespace parley::compose {
namespace {

constexpr std::size_t kMostBytes = 120;
constexpr int kBlack = 16;  // in limited range, as filters make it
constexpr int kWhite = 235;
constexpr int kWidest = 1'200;

struct FreeGraph {
  void operator()(AVFilterGraph* graph) const noexcept { avfilter_graph_free(&graph); }
};

// No half letters of UTF-8 at the end, and nothing that is no letter.
std::string shown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= kMostBytes && (static_cast<unsigned char>(c) & 0xc0U) != 0x80U) break;
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

AVFilterContext* filter(AVFilterGraph& graph, const char* name) {
  const AVFilter* kind = avfilter_get_by_name(name);
  return kind == nullptr ? nullptr : avfilter_graph_alloc_filter(&graph, kind, name);
}

bool set(AVFilterContext* context, const char* option, const std::string& value) {
  return av_opt_set(context, option, value.c_str(), AV_OPT_SEARCH_CHILDREN) >= 0;
}

}  // namespace

Mask letters(const std::string& text, int height) {
  const std::string line = shown(text);
  if (line.empty() || height <= 0) return {};
  const std::unique_ptr<AVFilterGraph, FreeGraph> graph{avfilter_graph_alloc()};
  if (!graph) return {};
  AVFilterContext* const source = filter(*graph, "color");
  AVFilterContext* const draw = filter(*graph, "drawtext");
  AVFilterContext* const format = filter(*graph, "format");
  AVFilterContext* const sink = filter(*graph, "buffersink");
  if (source == nullptr || draw == nullptr || format == nullptr || sink == nullptr) return {};
  const int strip = height * 3 / 2;
  const bool ready =
      set(source, "color", "black") &&
      set(source, "size", std::to_string(kWidest) + "x" + std::to_string(strip)) &&
      avfilter_init_str(source, nullptr) >= 0 && set(draw, "text", line) &&
      set(draw, "expansion", "none") && set(draw, "fontcolor", "white") &&
      set(draw, "fontsize", std::to_string(height)) && set(draw, "x", "0") &&
      set(draw, "y", "(h-text_h)/2") && avfilter_init_str(draw, nullptr) >= 0 &&
      set(format, "pix_fmts", "gray") && avfilter_init_str(format, nullptr) >= 0 &&
      avfilter_init_str(sink, nullptr) >= 0 && avfilter_link(source, 0, draw, 0) >= 0 &&
      avfilter_link(draw, 0, format, 0) >= 0 && avfilter_link(format, 0, sink, 0) >= 0 &&
      avfilter_graph_config(graph.get(), nullptr) >= 0;
  const av::Frame frame{av_frame_alloc()};
  if (!ready || !frame || av_buffersink_get_frame(sink, frame.get()) < 0) return {};
  int width = 0;  // as far as there is anything
  for (int y = 0; y < frame->height; ++y) {
    const std::uint8_t* row = frame->data[0] + y * frame->linesize[0];
    for (int x = frame->width - 1; x >= width; --x) {
      if (row[x] > kBlack) {
        width = x + 1;
        break;
      }
    }
  }
  Mask mask{{width, frame->height}, {}};
  for (int y = 0; y < frame->height && width > 0; ++y) {
    const std::uint8_t* row = frame->data[0] + y * frame->linesize[0];
    std::transform(row, row + width, std::back_inserter(mask.pixels), [](int brightness) {
      const int above = std::clamp(brightness - kBlack, 0, kWhite - kBlack);
      return static_cast<std::uint8_t>(above * 255 / (kWhite - kBlack));
    });
  }
  return mask;
}

}  // namespace parley::compose
