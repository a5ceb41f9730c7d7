#include "coordinator/generation.h"

#include <algorithm>

namespace gantry {

v1::TopLogprob MakeTopLogprob(const v1::StepLogprob& logprob, const Tokenizer* tokenizer) {
  v1::TopLogprob top;
  top.set_token_id(logprob.token_id());
  top.set_logprob(logprob.logprob());
  if (tokenizer != nullptr) {
    const int32_t id = logprob.token_id();
    top.set_text(tokenizer->Decode({&id, 1}, /*skip_special_tokens=*/false));
  }
  return top;
}

Generation::Generation(const Request& request, const Tokenizer* tokenizer)
    : tokenizer_(tokenizer),
      end_tokens_(request.params.end_token_ids().begin(), request.params.end_token_ids().end()),
      ignore_eos_(request.ignore_eos),
      min_new_tokens_(request.params.min_new_tokens()),
      max_new_tokens_(request.max_new_tokens),
      logprobs_(request.logprobs),
      stop_(request.stop) {
  if (tokenizer != nullptr) text_.emplace(tokenizer, /*skip_special_tokens=*/true);
}

bool Generation::IsEnd(int32_t id) const {
  return std::find(end_tokens_.begin(), end_tokens_.end(), id) != end_tokens_.end();
}

Generation::Event Generation::Add(const v1::StepToken& token) {
  Event event;
  const int32_t id = token.token().token_id();
  event.token.set_index(tokens_++);
  event.token.set_token_id(id);
  if (logprobs_) {
    event.token.set_logprob(token.token().logprob());
    for (const v1::StepLogprob& top : token.top()) {
      *event.token.add_top_logprobs() = MakeTopLogprob(top, tokenizer_);
    }
  }
  // An end token is reported, so that the ids are those of the model, but it has no text.
  const bool has_text = text_.has_value() && !IsEnd(id);
  const bool may_stop = tokens_ >= min_new_tokens_;
  if (has_text) event.token.set_text(stop_.Add(text_->Add(id), may_stop));
  const bool end = IsEnd(id) && !ignore_eos_;
  if (!end && !stop_.stopped() && tokens_ < max_new_tokens_) return event;

  std::string rest;
  if (text_.has_value() && !stop_.stopped()) {
    rest = stop_.Add(text_->Finish());
    rest += stop_.Finish();
  }
  event.finish.emplace();
  event.finish->set_text(rest);
  event.finish->set_reason(end || stop_.stopped() ? v1::FINISH_REASON_STOP
                                                  : v1::FINISH_REASON_LENGTH);
  return event;
}

}  // namespace gantry
