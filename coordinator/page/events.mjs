// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), of which only `data` is used.

const MAX_EVENT_CHARACTERS = 1 << 20;

// The data of each event. `chunks` is an async iterable of Uint8Array; what follows the last blank line is no event.
export async function* readEvents(chunks) {
  const decoder = new TextDecoder();
  let line = '';
  let data = [];
  let size = 0;
  for await (const chunk of chunks) {
    line += decoder.decode(chunk, {stream: true});
    // A CR at the end may be half of a CRLF.
    const end = line.endsWith('\r') ? line.length - 1 : line.length;
    const lines = line.slice(0, end).split(/\r\n|\n|\r/);
    line = lines.pop() + line.slice(end);
    for (const text of lines) {
      if (text === '') {
        if (data.length > 0) yield data.join('\n');
        data = [];
        size = 0;
      } else if (text.startsWith('data:')) {
        data.push(text.slice(text[5] === ' ' ? 6 : 5));
        size += text.length;
      }
    }
    if (size + line.length > MAX_EVENT_CHARACTERS) {
      throw new Error(`an event of the server has more than ${MAX_EVENT_CHARACTERS} characters`);
    }
  }
}

// Safari's ReadableStream is no async iterable.
export async function* chunksOf(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
