#include "recorder/compose/stills.h"

#include <algorithm>
#include <memory>

#include "recorder/compose/canvas.h"
#include "recorder/compose/chapters.h"
#include "recorder/compose/encoder.h"
#include "recorder/compose/input.h"
#include "recorder/disk_file.h"

namespace parley::compose {
namespace {

constexpr int kColumns = 5;
constexpr int kRows = 5;
constexpr int kMoments = kColumns * kRows;
constexpr int kTileWidth = 256;
constexpr int kThumbnailWidth = 640;
constexpr int kQuality = 4;  // FFmpeg's scale: 2 is best, 31 worst

int even(int length) noexcept { return std::max(2, length / 2 * 2); }

// In full range, as JPEG has it.
av::Frame full_range(const AVFrame& picture) {
  av::Frame out{av_frame_alloc()};
  const av::Scaler scaler{sws_getContext(picture.width, picture.height, AV_PIX_FMT_YUV420P,
                                         picture.width, picture.height, AV_PIX_FMT_YUVJ420P,
                                         SWS_BILINEAR, nullptr, nullptr, nullptr)};
  if (!out || !scaler) return {};
  out->format = AV_PIX_FMT_YUVJ420P;
  out->width = picture.width;
  out->height = picture.height;
  out->quality = FF_QP2LAMBDA * kQuality;
  if (av_frame_get_buffer(out.get(), 0) < 0) return {};
  sws_scale(scaler.get(), picture.data, picture.linesize, 0, picture.height, out->data,
            out->linesize);
  return out;
}

std::string jpeg_of(const AVFrame& picture) {
  const av::Frame frame = full_range(picture);
  const AVCodec* const encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  const av::Codec codec{encoder == nullptr ? nullptr : avcodec_alloc_context3(encoder)};
  const av::Packet packet{av_packet_alloc()};
  if (!frame || !codec || !packet) return {};
  codec->width = picture.width;
  codec->height = picture.height;
  codec->pix_fmt = AV_PIX_FMT_YUVJ420P;
  codec->time_base = {1, 1};
  codec->flags |= AV_CODEC_FLAG_QSCALE;
  codec->global_quality = FF_QP2LAMBDA * kQuality;
  codec->thread_count = 1;
  const bool done = avcodec_open2(codec.get(), encoder, nullptr) >= 0 &&
                    avcodec_send_frame(codec.get(), frame.get()) >= 0 &&
                    avcodec_receive_packet(codec.get(), packet.get()) >= 0;
  if (!done) return {};
  return {reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)};
}

// How much there is to see in an area: the spread of its brightness.
double contrast(const AVFrame& picture, const Area& area) {
  double sum = 0;
  double squares = 0;
  for (int y = 0; y < area.height; ++y) {
    const std::uint8_t* row = picture.data[0] + (area.y + y) * picture.linesize[0] + area.x;
    for (int x = 0; x < area.width; ++x) {
      sum += row[x];
      squares += row[x] * row[x];
    }
  }
  const double count = area.width * area.height;
  return squares / count - (sum / count) * (sum / count);
}

Result<void> write(const std::filesystem::path& path, const std::string& bytes) {
  if (bytes.empty()) return failed("no_codec", "this FFmpeg encodes no JPEG");
  if (!recorder::replace_file(path, bytes, {})) return cannot_write(path);
  return {};
}

}  // namespace

Result<PictureAt> key_frames_of(const std::filesystem::path& film) {
  auto reader = StreamReader::open(film, AVMEDIA_TYPE_VIDEO);
  if (!reader) return failed("disk_error", "the composite does not open");
  reader->key_frames_only();
  return [input = std::make_shared<VideoInput>(std::move(reader))](Offset time) {
    input->skip_to(time);
    return input->at(time);
  };
}

Result<std::vector<Still>> make_stills(const PictureAt& picture_at, Size size, rtp::Duration length,
                                       const std::filesystem::path& folder, const OnDone& on_done) {
  const auto moment = [&](int i) { return length * (2 * i + 1) / (2 * kMoments); };
  const Size tile{kTileWidth, even(kTileWidth * size.height / size.width)};
  Canvas sheet({tile.width * kColumns, tile.height * kRows});
  Canvas thumbnail({kThumbnailWidth, even(kThumbnailWidth * size.height / size.width)});
  if (sheet.frame() == nullptr || thumbnail.frame() == nullptr) {
    return failed("no_memory", "for stills");
  }
  std::string index = "WEBVTT\n";
  double most = -1;
  for (int i = 0; i < kMoments; ++i) {
    if (!on_done(moment(i))) return failed("stopped", "at the stills");
    const Area area{i % kColumns * tile.width, i / kColumns * tile.height, tile.width, tile.height};
    const AVFrame* const picture = picture_at(moment(i));
    if (picture != nullptr) {
      const Size whole{picture->width, picture->height};
      sheet.draw(*picture, fit(whole, area, false), 0);
      const double seen = contrast(*sheet.frame(), area);
      if (seen > most) {
        most = seen;
        const Size small = thumbnail.size();
        thumbnail.draw(*picture, fit(whole, {0, 0, small.width, small.height}, false), 0);
      }
    }
    index += "\n" + vtt_time(length * i / kMoments) + " --> " +
             vtt_time(length * (i + 1) / kMoments) + "\nsheet.jpg#xywh=" + std::to_string(area.x) +
             "," + std::to_string(area.y) + "," + std::to_string(area.width) + "," +
             std::to_string(area.height) + "\n";
  }
  for (const auto& [name, bytes] :
       {std::pair("thumbnail.jpg", jpeg_of(*thumbnail.frame())),
        std::pair("sheet.jpg", jpeg_of(*sheet.frame())), std::pair("sheet.vtt", index)}) {
    if (const auto written = write(folder / name, bytes); !written) {
      return tl::unexpected(written.error());
    }
  }
  return std::vector<Still>{
      {"thumbnail.jpg", "thumbnail"}, {"sheet.jpg", "sheet"}, {"sheet.vtt", "sheet_index"}};
}

}  // namespace parley::compose
