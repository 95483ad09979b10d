/** Questions to a real server over a network that doubles bytes, whole answers and parts of them, in both directions. */
import { expect } from 'chai';
import { connectPostgres, PostgresFault, type PostgresConnection, type Row } from '../../storage/postgres.ts';
import { Question, Refusal, Stray, type Message } from '../../storage/postgres-question.ts';
import { PostgresServer, wholeInstallation } from '../support/postgres-server.ts';
import { skipUnless } from '../support/skipped.ts';
import { TcpProxy, type Passages } from '../support/tcp-proxy.ts';

describe('storage/postgres-question: messages', () => {
  const ASKED = { form: 'statement', text: 'SELECT 1', values: [], name: 'one', tag: 'mine' } as const;
  const reading = () => ({
    prepared: new Set(['tag', 'one']),
    keepsTags: true,
    parserOf: () => (text: string) => text,
  });
  const row = (text: string): Message => ({ name: 'dataRow', fields: [text] });
  const described = { name: 'rowDescription', fields: [{ name: 'n', dataTypeID: 25 }] };
  const bound = { name: 'bindComplete' };
  const done = (text: string): Message => ({ name: 'commandComplete', text });
  const end = { name: 'readyForQuery' };
  const refusal = Object.assign(new Error('no'), { name: 'error', severity: 'ERROR', code: '23505' });
  const tagged = (tag = 'mine'): Message[] => [bound, described, row(tag), done('SELECT 1')];

  /** Rows, or what it was refused with; fails unless exactly the last message ends it. */
  const outcomeOf = async (messages: readonly Message[]): Promise<unknown> => {
    const question = new Question(ASKED, reading());
    const took = messages.map((message) => question.isOver || question.take(message));
    expect(question.isOver).to.equal(true);
    const outcome = await question.answer.catch((error: unknown) => error);
    expect(took.at(-1)).to.equal(!(outcome instanceof Stray));
    return outcome;
  };

  it('are an answer behind the tag of the question', async () => {
    const answer = [...tagged(), bound, described, row('1'), row('2'), done('SELECT 2'), end];
    expect(await outcomeOf(answer)).to.deep.equal([{ n: '1' }, { n: '2' }]);
    expect(await outcomeOf([...tagged(), bound, { name: 'noData' }, done('INSERT 0 1'), end])).to.deep.equal(
      [],
    );
    // The server says the severity in its own language.
    for (const severity of ['ERROR', 'FEHLER', 'エラー']) {
      const said = Object.assign(new Error('nein'), { name: 'error', severity, code: '23505' });
      expect(await outcomeOf([...tagged(), said, end]))
        .to.be.instanceOf(Refusal)
        .with.property('cause', said);
    }
  });

  it('are no refusal where the connection ends after an error, or where the error is none of the server', async () => {
    const question = new Question(ASKED, reading());
    for (const message of [...tagged(), refusal]) expect(question.take(message)).to.equal(true);
    question.handleError(refusal);
    question.handleError(new Error('the connection has ended'));
    expect(await question.answer.catch((error: unknown) => error))
      .to.be.instanceOf(Stray)
      .with.property('cause', refusal);
    const unread = Object.assign(new Error('received invalid response: 7'), { name: 'error' });
    expect(await outcomeOf([...tagged(), unread])).to.be.instanceOf(Stray);
  });

  it('are none in another order, with more or fewer rows than the server says, without the tag or with another one', async () => {
    const rows = [bound, described, row('1'), done('SELECT 1')];
    for (const messages of [
      [refusal],
      [...tagged('other')],
      [...rows],
      [end],
      [bound, described, row('mine'), row('mine'), done('SELECT 2')],
      [...tagged(), end],
      [...tagged(), ...tagged().slice(1)],
      [...tagged(), refusal, refusal],
      [...tagged(), refusal, bound],
      [...tagged(), bound, described, row('1'), row('1'), done('SELECT 1')],
      [...tagged(), bound, described, done('SELECT 1')],
      [...tagged(), bound, described, row('1'), described],
      [...tagged(), ...rows, refusal, done('SELECT 1')],
      [...tagged(), ...rows, ...rows],
    ]) {
      const question = new Question(ASKED, reading());
      const belong = messages.map((message) => question.take(message));
      expect(belong.includes(false), JSON.stringify(messages)).to.equal(true);
      expect(await question.answer.catch((error: unknown) => error)).to.be.instanceOf(Stray);
    }
  });
});

describe('storage/postgres-question', function () {
  this.timeout(60_000);
  let server: PostgresServer | undefined;
  let proxy: TcpProxy;
  const sessions: PostgresConnection[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
    proxy = await TcpProxy.to(server.port);
    await server.query('CREATE TABLE taken (key bigint PRIMARY KEY)');
  });
  after(async () => {
    await proxy.close();
    await server?.remove();
  });
  afterEach(() => {
    proxy.set({});
    for (const one of sessions.splice(0)) one.destroy();
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const connect = async (deadlineMs = 1_000): Promise<PostgresConnection> => {
    const place = {
      url: running().url({ schema: 'public' }, proxy.port),
      passwordFile: running().passwordFile,
    };
    const session = await connectPostgres(place, { application: 'test', deadlineMs });
    sessions.push(session);
    return session;
  };
  /** Of several chunks of the network. */
  const LONG =
    'SELECT i, $1::bigint AS asked, repeat(chr(65 + i % 26), 1000) AS text FROM generate_series(1, 300) AS i';

  let next = 1;
  /** Questions of every form, each with what is right as an answer. */
  const KINDS: readonly (readonly [string, (session: PostgresConnection) => Promise<void>])[] = [
    [
      'one row',
      async (session) => {
        const asked = next++;
        expect(await session.query('SELECT $1::bigint AS n', [asked], 'one')).to.deep.equal([{ n: asked }]);
      },
    ],
    [
      'no row',
      async (session) => {
        expect(await session.query('SELECT 1 AS n WHERE $1::bigint = 0', [next++], 'none')).to.deep.equal([]);
      },
    ],
    [
      'many rows',
      async (session) => {
        const asked = next++;
        const rows = await session.query(LONG, [asked]);
        expect(rows.map((row) => row['i'])).to.deep.equal(Array.from({ length: 300 }, (_, i) => i + 1));
        for (const row of rows) expect(row['asked']).to.equal(asked);
      },
    ],
    [
      'a change without rows',
      async (session) => {
        expect(await session.query('INSERT INTO taken VALUES ($1)', [next++])).to.deep.equal([]);
      },
    ],
    [
      'a refusal',
      async (session) => {
        const fault = await refusalOf(session.query('INSERT INTO taken VALUES (0), (0)'));
        expect(fault.sqlState).to.equal('23505');
      },
    ],
    [
      'several statements',
      async (session) => {
        const asked = next++;
        const rows = await session.script(
          `BEGIN; SELECT ${asked}::bigint AS n; COMMIT; SELECT ${asked + 1}::bigint AS n`,
        );
        next++;
        expect(rows).to.deep.equal([{ n: asked + 1 }]);
      },
    ],
  ];

  /** Rejects with what is no refusal of the server. */
  async function refusalOf(asked: Promise<unknown>): Promise<PostgresFault> {
    const fault: unknown = await asked.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (fault instanceof PostgresFault && fault.code === 'REFUSED') return fault;
    throw fault instanceof Error ? fault : new Error('it was not refused');
  }

  const isUnknown = (error: unknown): boolean => error instanceof PostgresFault && error.code === 'UNKNOWN';

  for (const way of ['answers', 'requests'] as const)
    for (const passage of ['twice', 'again'] as const)
      it(`takes no answer for that to another question where ${way} arrive ${passage}, and says then that nothing is known`, async () => {
        for (const at of KINDS.keys()) {
          const session = await connect();
          // What is prepared is answered in another way the second time.
          for (const [, ask] of KINDS) await ask(session);
          proxy.set({ [way]: passage });
          const asked = [...KINDS, ...KINDS].slice(at, at + 3);
          const unknown: unknown[] = [];
          for (const [, ask] of asked)
            await ask(session).catch((error: unknown) => {
              if (!isUnknown(error)) throw error;
              unknown.push(error);
            });
          const names = asked.map(([name]) => name).join(', ');
          expect(session.isGone, names).to.equal(true);
          expect(unknown, names).to.not.be.empty;
        }
      });

  it('knows nothing of a statement whose session the server ends meanwhile, and says why it ended it', async () => {
    const session = await connect(10_000);
    const [row] = await session.query('SELECT pg_backend_pid() AS pid');
    const asked = session.query('SELECT pg_terminate_backend($1::integer), pg_sleep(60)', [row?.['pid']]);
    const fault: unknown = await asked.catch((error: unknown) => error);
    expect(isUnknown(fault)).to.equal(true);
    expect((fault as PostgresFault).sqlState).to.equal('57P01');
    expect(session.isGone).to.equal(true);
  });

  it('notices rows of an answer that arrive twice in the middle of it', async () => {
    for (let chunk = 0; chunk < 3; chunk++) {
      const session = await connect();
      let rows: readonly Row[] | undefined;
      const passages: Partial<Passages> = { answers: 'twice' };
      const before = proxy.passed.answers;
      const asked = session.query(LONG, [chunk]).then(
        (found) => (rows = found),
        (error: unknown) => {
          expect(isUnknown(error)).to.equal(true);
        },
      );
      while (proxy.passed.answers < before + chunk * 100_000) await new Promise(setImmediate);
      proxy.set(passages);
      await asked;
      proxy.set({});
      if (rows !== undefined) expect(rows).to.have.length(300);
    }
  });

  it('opens sessions over a network that doubles what opens them, or says that it cannot just now', async () => {
    for (const way of ['answers', 'requests'] as const)
      for (const passage of ['twice', 'again'] as const)
        for (let skipped = 0; skipped < 5; skipped++) {
          const before = proxy.passed[way];
          const opened = connect().then(async (session) =>
            session.query('SELECT 1 AS n').then((rows) => expect(rows).to.deep.equal([{ n: 1 }])),
          );
          const outcome = opened.catch((error: unknown) => error);
          let seen = before;
          for (let count = 0; count < skipped;) {
            await new Promise(setImmediate);
            if (proxy.passed[way] === seen) {
              if (sessions.length > 0) break;
              continue;
            }
            seen = proxy.passed[way];
            count++;
          }
          proxy.set({ [way]: passage });
          const failure = await outcome;
          proxy.set({});
          if (failure instanceof PostgresFault) expect(failure.metadata['pooler']).to.equal(undefined);
          else expect(failure).to.not.be.instanceOf(Error);
          for (const one of sessions.splice(0)) one.destroy();
        }
  });
});

describe('storage/postgres-question: a server that speaks German', function () {
  this.timeout(60_000);
  let server: PostgresServer | undefined;
  before(async function () {
    const installation = wholeInstallation();
    skipUnless(
      this,
      installation !== undefined,
      'there is no whole installation of PostgreSQL (Debian: postgresql)',
    );
    // The catalogues of an installation are chosen by LANGUAGE in every locale but C.
    const german = { ...installation, env: { ...installation.env, LANGUAGE: 'de' } };
    server = await PostgresServer.startWith(german, { lc_messages: 'C.UTF-8' });
    const said: unknown = await server.query('SELECT 1 / 0').catch((error: unknown) => error);
    const { severity } = said as { readonly severity?: string };
    skipUnless(this, severity === 'FEHLER', 'PostgreSQL has no German messages here');
  });
  after(() => server?.remove());

  it('is understood when it refuses a statement, and the session goes on', async () => {
    const running = server ?? expect.fail('no server');
    const place = { url: running.url({ schema: 'public' }), passwordFile: running.passwordFile };
    const session = await connectPostgres(place, { application: 'test', deadlineMs: 10_000 });
    try {
      await session.query('CREATE TABLE taken (key bigint PRIMARY KEY)');
      const asked = session.query('INSERT INTO taken VALUES (0), (0)');
      const fault: unknown = await asked.catch((error: unknown) => error);
      expect(fault).to.be.instanceOf(PostgresFault).with.property('code', 'REFUSED');
      expect((fault as PostgresFault).sqlState).to.equal('23505');
      expect(await session.query('SELECT 1 AS n')).to.deep.equal([{ n: 1 }]);
    } finally {
      await session.close();
    }
  });
});
