// A worker that ticks: posts a message every so many milliseconds, for the page that told it how many.

self.onmessage = ({ data }) => setInterval(() => self.postMessage(null), data);
