#include "coordinator/http/http_api.h"

#include <limits>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "coordinator/http/chat_messages.h"
#include "coordinator/http/http_error.h"
#include "coordinator/http/key_meter.h"
#include "coordinator/http/openai_call.h"
#include "coordinator/http/percent.h"
#include "coordinator/http/static_files.h"
#include "coordinator/metrics.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

constexpr size_t kMaxShownBytes = 80;

HttpResponse JsonResponse(const Json& json) {
  HttpResponse response;
  response.body = DumpJson(json);
  return response;
}

uint64_t RandomSeed() {
  static thread_local std::mt19937_64 generator(std::random_device{}());
  return generator();
}

// One greedy token after one token.
Request ProbeRequest() {
  Request request;
  request.id = "readyz";
  request.probe = true;
  request.prompt = {0};
  request.params.set_top_p(1);
  request.params.set_repetition_penalty(1);
  request.params.set_prompt_tokens(1);
  request.max_new_tokens = 1;
  return request;
}

absl::StatusOr<OpenAiWork> CheckWork(OpenAiRequest request, const std::string& id,
                                     const HttpBackend& backend) {
  OpenAiWork work;
  for (v1::GenerateRequest& prompt : request.prompts) {
    prompt.set_request_id(id);
    absl::StatusOr<Request> checked = CheckGenerate(prompt, backend.context, RandomSeed());
    if (!checked.ok()) return NameFields(request.api, checked.status(), request.constraint);
    work.prompts.push_back(*std::move(checked));
  }
  work.find_tool_calls = request.tools && backend.context.chat_template->Mentions(kToolCallBegin);
  work.request = std::move(request);
  work.model = backend.model_name;
  work.tokenizer = backend.context.tokenizer;
  return work;
}

}  // namespace

HttpApi::HttpApi(HttpBackend backend, WorkQueue* queue)
    : backend_(std::move(backend)),
      queue_(queue),
      started_(absl::ToUnixSeconds(absl::Now())),
      readiness_(std::make_shared<Readiness>(
          backend_.engine,
          [status = backend_.status] {
            const v1::GetStatusResponse now = status();
            return now.ready() ? std::string() : absl::StrCat("not ready: ", now.reason());
          },
          ProbeRequest(), Clock::Real())) {}

Route HttpApi::Page(std::string path, bool open, std::function<HttpResponse()> page) {
  return {"GET", std::move(path), open, /*metered=*/false,
          [page = std::move(page)](const ExchangePtr& exchange) { exchange->Respond(page()); }};
}

Route HttpApi::Computed(std::string path, BodyReader compute) {
  const auto handle = [this, compute = std::move(compute)](const ExchangePtr& exchange) {
    queue_->Add([exchange, compute] {
      const absl::StatusOr<Json> json = compute(exchange->request().body);
      HttpResponse response = json.ok() ? JsonResponse(*json) : ErrorResponse(json.status());
      exchange->Post([exchange, response = std::move(response)] { exchange->Respond(response); });
    });
  };
  return {"POST", std::move(path), /*open=*/false, /*metered=*/true, handle};
}

Route HttpApi::Generation(std::string path, OpenAiApi api) {
  const auto work_for = [this, api](const HttpRequest& asked) -> absl::StatusOr<OpenAiWork> {
    GANTRY_ASSIGN_OR_RETURN(OpenAiRequest request, ParseOpenAiRequest(api, asked.body));
    GANTRY_RETURN_IF_ERROR(CheckModel(request.model));
    return CheckWork(std::move(request), asked.id, backend_);
  };
  const auto handle = [this, work_for](const ExchangePtr& exchange) {
    queue_->Add([this, work_for, exchange] {
      absl::StatusOr<OpenAiWork> work = work_for(exchange->request());
      exchange->Post([this, exchange, work = std::move(work)]() mutable {
        if (!work.ok()) return exchange->Respond(ErrorResponse(work.status()));
        OpenAiCall::Start(exchange, backend_.engine, *std::move(work));
      });
    });
  };
  return {"POST", std::move(path), /*open=*/false, /*metered=*/true, handle};
}

Route HttpApi::Traces(std::string path, bool below) {
  const auto handle = [this, prefix = path.size()](const ExchangePtr& exchange) {
    const HttpRequest& request = exchange->request();
    // A key sees what was asked with it, and whoever has none what nobody with a name has asked;
    // where nobody has a name there is nothing to hide.
    TraceLog::Viewer viewer;
    if (request.key != nullptr) {
      viewer = request.key->name();
    } else if (backend_.clients_have_names) {
      viewer = "";
    }
    const absl::StatusOr<Json> json = TracesJson(viewer, request.path.substr(prefix));
    exchange->Respond(json.ok() ? JsonResponse(*json) : ErrorResponse(json.status()));
  };
  return {"GET", std::move(path), /*open=*/false, /*metered=*/false, handle, below};
}

void HttpApi::AddRoutes(Router* router) {
  router->Add(Generation("/v1/chat/completions", OpenAiApi::kChat));
  router->Add(Generation("/v1/completions", OpenAiApi::kCompletions));
  router->Add(Page("/v1/models", false, [this] {
    return JsonResponse(Json{{"object", "list"}, {"data", Json::array({Model()})}});
  }));
  router->Add(Page(absl::StrCat("/v1/models/", PercentEncoded(backend_.model_name)), false,
                   [this] { return JsonResponse(Model()); }));
  router->Add(Computed("/tokenize", [this](const std::string& body) { return Tokenize(body); }));
  router->Add(
      Computed("/detokenize", [this](const std::string& body) { return Detokenize(body); }));
  router->Add(Page("/version", false, [] {
    return JsonResponse(Json{{"version", std::string(kVersion)}});
  }));
  router->Add(
      Page("/api/status", false, [this] { return JsonResponse(StatusJson(backend_.status())); }));
  router->Add(Traces("/v1/traces", /*below=*/false));
  router->Add(Traces("/v1/traces/", /*below=*/true));
  router->Add(Page("/metrics", false, [this] {
    HttpResponse response;
    response.content_type = kMetricsContentType;
    response.body = backend_.metrics();
    return response;
  }));
  router->Add(Page("/livez", true, [] { return JsonResponse(Json{{"status", "alive"}}); }));
  router->Add(Page("/health", true, [this] {
    const v1::GetStatusResponse status = backend_.status();
    if (status.ready()) return JsonResponse(Json{{"status", "ok"}});
    return ErrorResponse(absl::UnavailableError(absl::StrCat("not ready: ", status.reason())));
  }));
  router->Add({"GET", "/readyz", /*open=*/true, /*metered=*/false,
               [this](const ExchangePtr& exchange) { readiness_->Check(exchange); }});
  // Open, for it is the page that asks for the key.
  for (const StaticFile& file : StaticFiles()) {
    router->Add({"GET", std::string(file.path), /*open=*/true, /*metered=*/false,
                 [&file](const ExchangePtr& exchange) {
                   exchange->Respond(ServeStaticFile(file, exchange->request()));
                 }});
  }
}

absl::Status HttpApi::CheckModel(const std::string& model) const {
  if (model.empty() || model == backend_.model_name) return absl::OkStatus();
  return WithCode(absl::NotFoundError(absl::StrCat("model: expected \"", backend_.model_name,
                                                   "\", which is served here, found \"",
                                                   model.substr(0, kMaxShownBytes), "\"")),
                  "model_not_found");
}

Json HttpApi::Model() const {
  return Json{{"id", backend_.model_name},
              {"object", "model"},
              {"created", started_},
              {"owned_by", "gantry"},
              {"max_model_len", backend_.context.context}};
}

absl::StatusOr<Json> HttpApi::TracesJson(const TraceLog::Viewer& viewer,
                                         absl::string_view encoded_id) const {
  const std::optional<std::string> id = PercentDecoded(encoded_id);
  if (!id.has_value()) {
    return absl::InvalidArgumentError("request_id: expected % before two hexadecimal digits");
  }
  v1::GetTracesRequest request;
  if (IsRequestId(*id)) request.set_request_id(*id);
  if (request.request_id() != *id) return absl::NotFoundError("there is no request of this id");
  GANTRY_ASSIGN_OR_RETURN(const v1::GetTracesResponse found, backend_.traces->Get(viewer, request));
  Json data = Json::array();
  for (const v1::RequestTrace& trace : found.traces()) {
    data.push_back(TraceJson(trace, /*steps=*/!id->empty()));
  }
  return Json{{"object", "list"}, {"data", std::move(data)}};
}

absl::StatusOr<Json> HttpApi::Tokenize(const std::string& body) const {
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseBody(body));
  MarkedText text;
  bool special = false;
  if (FindMember(json, "messages") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const v1::Chat chat, ParseChat(json));
    absl::StatusOr<MarkedText> rendered = RenderChat(chat, backend_.context);
    if (!rendered.ok()) return NameFields(OpenAiApi::kChat, rendered.status());
    text = *std::move(rendered);
  } else {
    GANTRY_ASSIGN_OR_RETURN(std::string prompt, GetString(json, "prompt"));
    GANTRY_ASSIGN_OR_RETURN(special, GetBoolOr(json, "add_special_tokens", true));
    text = MarkedText(std::move(prompt));
  }
  const absl::StatusOr<std::vector<int32_t>> ids = Encode(text, special, backend_.context);
  if (!ids.ok()) return NameFields(OpenAiApi::kCompletions, ids.status());
  return Json{
      {"count", ids->size()}, {"max_model_len", backend_.context.context}, {"tokens", *ids}};
}

absl::StatusOr<Json> HttpApi::Detokenize(const std::string& body) const {
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseBody(body));
  if (backend_.context.tokenizer == nullptr) {
    return absl::FailedPreconditionError("the model has no tokenizer");
  }
  const Json* tokens = FindMember(json, "tokens");
  if (tokens == nullptr || !tokens->is_array()) {
    return absl::InvalidArgumentError("tokens: expected a list of token ids");
  }
  std::vector<int32_t> ids;
  for (const Json& id : *tokens) {
    const bool fits = id.is_number_unsigned() &&
                      id.get<uint64_t>() < static_cast<uint64_t>(backend_.context.vocab_size);
    if (!fits) {
      return absl::InvalidArgumentError(absl::StrCat("tokens: expected ids from 0 to ",
                                                     backend_.context.vocab_size - 1, ", found ",
                                                     DumpJson(id).substr(0, kMaxShownBytes)));
    }
    ids.push_back(id.get<int32_t>());
  }
  return Json{{"prompt", backend_.context.tokenizer->Decode(ids, /*skip_special_tokens=*/false)}};
}

}  // namespace gantry
