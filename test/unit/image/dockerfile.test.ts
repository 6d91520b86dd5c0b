import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fullName } from '../../../image/archive.ts';
import { parseInstructions, parseLastStage } from '../../../image/dockerfile.ts';

const text = `
FROM debian AS build
RUN make   # kept as it is
# a comment
FROM scratch
COPY --from=build /out/program /
ENV ONE=1 TWO="a b"
ENV THREE=3
USER 1:2
WORKDIR /app
EXPOSE 80 81
STOPSIGNAL SIGTERM
LABEL a.b=c \\
      # in the midst of it
      d="e f"
HEALTHCHECK --interval=30s CMD ["true", "x = y"]
ENTRYPOINT ["/program", "word"]
`;

describe('parseInstructions', () => {
  it('joins continued lines and passes over comments', () => {
    assert.deepEqual(parseInstructions('from a\n# b\nLABEL c=d \\\n  # e\n  f=g\n'), [
      { word: 'FROM', rest: 'a' },
      { word: 'LABEL', rest: 'c=d f=g' },
    ]);
  });
});

describe('parseLastStage', () => {
  it('reads what the image starts with, from the last stage only', () => {
    assert.deepEqual(parseLastStage(text), {
      base: 'scratch',
      copies: [{ from: 'build', source: '/out/program', target: '/' }],
      config: {
        Env: ['ONE=1', 'TWO=a b', 'THREE=3'],
        User: '1:2',
        WorkingDir: '/app',
        ExposedPorts: { '80/tcp': {}, '81/tcp': {} },
        StopSignal: 'SIGTERM',
        Labels: { 'a.b': 'c', d: 'e f' },
        Healthcheck: { Test: ['CMD', 'true', 'x = y'], Interval: 30e9 },
        Entrypoint: ['/program', 'word'],
      },
    });
  });

  it('refuses what it would get wrong', () => {
    const bad = ['RUN make', 'COPY a /', 'ENV A b', 'ENTRYPOINT /program', 'HEALTHCHECK NONE', 'VOLUME /a'];
    for (const line of bad) assert.throws(() => parseLastStage(`FROM scratch\n${line}\n`), line);
    assert.throws(() => parseLastStage('RUN make\n'), /without FROM/);
  });
});

describe('fullName', () => {
  it('is the name as engines write it out', () => {
    assert.deepEqual(
      ['tide:1', 'owner/tide:1', 'registry.example/tide:1', 'localhost/tide:1', 'here:5000/tide:1'].map(
        fullName,
      ),
      [
        'docker.io/library/tide:1',
        'docker.io/owner/tide:1',
        'registry.example/tide:1',
        'localhost/tide:1',
        'here:5000/tide:1',
      ],
    );
  });
});
