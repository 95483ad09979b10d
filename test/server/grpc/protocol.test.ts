import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect } from 'chai';
import { failureOf } from '../../support/failure.ts';
import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { clientKey, emailToken, startTestService, type TestService } from '../../support/test-service.ts';
import { answerOf, begin, connectTo, framed, reasonOf, send, signingMessage } from './support/raw-call.ts';
import { call, grpcClient } from './support/grpc-client.ts';

const SIGN = '/dev.sigstore.fulcio.v2.CA/CreateSigningCertificate';
const BUNDLE = '/dev.sigstore.fulcio.v2.CA/GetTrustBundle';

describe('gRPC: the protocol', () => {
  let service: TestService;
  let session: ClientHttp2Session;
  before(async () => {
    service = await startTestService(() => ({ grpcListen: { host: '127.0.0.1', port: 0 } }));
    session = connectTo(service.grpcListen ?? '');
  });
  after(async () => {
    session.close();
    await service.close();
  });

  const goodMessage = async (): Promise<Uint8Array> => signingMessage(await emailToken(service), clientKey());

  it('knows only its methods, and says in one head without a body what it does not know', async () => {
    for (const path of [
      '/dev.sigstore.fulcio.v2.CA/None',
      '/none.CA/GetTrustBundle',
      '/',
      '/api/v2/trustBundle',
    ]) {
      const { headers, body } = await send(session, path, framed(Buffer.alloc(0)));
      expect(headers, path).to.include({ ':status': 200, 'grpc-status': '12' });
      expect(body).to.have.length(0);
    }
  });

  it('answers what is no call of gRPC with a status of HTTP', async () => {
    const json = await send(session, SIGN, Buffer.from('{}'), { 'content-type': 'application/json' });
    expect(json.headers[':status']).to.equal(415);
    const get = begin(session, '/healthz', { ':method': 'GET' });
    expect((await answerOf(get)).headers).to.include({ ':status': 405, allow: 'POST' });
  });

  it('takes no message that is compressed, so that none is longer than it was sent', async () => {
    const announced = await send(session, SIGN, framed(Buffer.alloc(9)), { 'grpc-encoding': 'gzip' });
    expect(announced.headers).to.include({ 'grpc-status': '12', 'grpc-accept-encoding': 'identity' });
    const flagged = await send(session, SIGN, framed(Buffer.alloc(9), 1));
    expect(flagged.headers['grpc-status']).to.equal('3');
    expect(reasonOf(flagged)).to.equal('BODY_MALFORMED');
  });

  it('takes one whole message and nothing else', async () => {
    const good = framed(await goodMessage());
    const broken = [
      Buffer.alloc(0),
      good.subarray(0, 4),
      good.subarray(0, -1),
      Buffer.concat([good, good]),
      Buffer.concat([good, Buffer.alloc(1)]),
      framed(Buffer.from([0xff, 0xff, 0xff])),
      // Groups of unknown fields, each in the one before.
      framed(Buffer.alloc(200_000, 0x7b)),
      // Many fields: of one kind, of two by turns, in a message, unknown, and as a group.
      framed(Buffer.from('1a00'.repeat(65), 'hex')),
      framed(Buffer.from('12001a00'.repeat(60_000), 'hex')),
      framed(Buffer.from(`0a8201${'0a00'.repeat(65)}`, 'hex')),
      framed(Buffer.from('2000'.repeat(120_000), 'hex')),
      framed(Buffer.from('7b7c', 'hex')),
      // A token that is no UTF-8.
      framed(Buffer.from([0x0a, 3, 0x0a, 1, 0xff])),
    ];
    for (const [index, body] of broken.entries()) {
      const answer = await send(session, SIGN, body);
      expect(answer.headers['grpc-status'], String(index)).to.equal('3');
      expect(reasonOf(answer), String(index)).to.equal('BODY_MALFORMED');
    }
    expect((await send(session, SIGN, good)).headers['grpc-status']).to.equal('0');
  });

  it('answers a message that is too long at once, with the code that gRPC has for it', async () => {
    const stream = begin(session, SIGN);
    const answer = answerOf(stream);
    // Never ended: the answer does not wait for the rest.
    stream.write(framed(Buffer.alloc(300 * 1024)));
    const refused = await answer;
    expect(refused.headers['grpc-status']).to.equal('8');
    expect(reasonOf(refused)).to.equal('BODY_TOO_LARGE');
    const small = await send(session, BUNDLE, framed(Buffer.alloc(2000)));
    expect(reasonOf(small)).to.equal('BODY_TOO_LARGE');
  });

  it('begins nothing after the deadline of its client, and reads none that is malformed', async () => {
    const late = await send(session, SIGN, framed(await goodMessage()), { 'grpc-timeout': '1n' });
    expect(late.headers['grpc-status']).to.equal('4');
    expect(reasonOf(late)).to.equal('DEADLINE_EXCEEDED');
    for (const timeout of ['', '1', 'S', '123456789S', '1s', '-1S', '1S1S'])
      expect(
        (await send(session, SIGN, framed(await goodMessage()), { 'grpc-timeout': timeout })).headers,
        timeout,
      ).to.include({
        'grpc-status': '3',
      });
    const good = await send(session, SIGN, framed(await goodMessage()), { 'grpc-timeout': '9S' });
    expect(good.headers['grpc-status']).to.equal('0');
  });

  it('answers a call that is not complete by its deadline', async () => {
    const stream = begin(session, SIGN, { 'grpc-timeout': '10m' });
    const answer = answerOf(stream);
    stream.write(Buffer.from([0]));
    expect(reasonOf(await answer)).to.equal('DEADLINE_EXCEEDED');
    // Its client chose it.
    const lines = service.lines.filter(({ reason }) => reason === 'DEADLINE_EXCEEDED');
    expect(lines.map(({ level }) => level)).to.deep.equal(['warn', 'warn']);
    expect(lines[0]).not.to.have.property('cause');
  });

  it('says that the process serves to whom names no service, and whether it is ready of a service', async () => {
    const health = grpcClient('grpc.health.v1.Health', service.grpcListen ?? '');
    const ask = (name: string): Promise<unknown> => call(health, 'Check', { service: name });
    expect(await ask('')).to.deep.equal({ status: 'SERVING' });
    expect(await ask('dev.sigstore.fulcio.v2.CA')).to.deep.equal({ status: 'SERVING' });
    expect(await ask('dev.sigstore.fulcio.v1beta.CA')).to.deep.equal({ status: 'SERVING' });
    const unknown = await ask('none').catch((error: unknown) => error);
    expect(unknown).to.include({ code: 5 });
    health.close();
  });

  it('says nothing of its methods, unless the configuration allows reflection', async () => {
    const ask = async (address: string, version: string): Promise<Record<string, unknown>[]> => {
      const client = grpcClient(`grpc.reflection.${version}.ServerReflection`, address);
      const stream = client['ServerReflectionInfo']?.();
      const answers: Record<string, unknown>[] = [];
      const ended = new Promise<void>((resolve, reject) => {
        stream?.on('end', resolve).on('error', reject as (error: never) => void);
      });
      stream?.on('data', (answer: Record<string, unknown>) => answers.push(answer));
      stream?.write({ list_services: '' });
      stream?.write({ listServices: '' });
      stream?.write({ fileContainingSymbol: 'dev.sigstore.fulcio.v1beta.CA.GetRootCertificate' });
      stream?.write({ fileByFilename: 'fulcio.proto' });
      stream?.write({ fileContainingSymbol: 'no.such.Symbol' });
      stream?.end();
      await ended.finally(() => {
        client.close();
      });
      return answers;
    };
    expect(await failureOf(ask(service.grpcListen ?? '', 'v1'))).to.include({ code: 12 });
    const open = await startTestService(() => ({
      grpc: { withTls: true, listen: { host: '127.0.0.1', port: 0 }, reflection: true },
    }));
    for (const version of ['v1', 'v1alpha']) {
      const [, list, legacy, v2, none] = await ask(open.grpcListen ?? '', version);
      const names = (list?.['listServicesResponse'] as { service: { name: string }[] }).service;
      expect(names.map(({ name }) => name)).to.include.members([
        'dev.sigstore.fulcio.v2.CA',
        'dev.sigstore.fulcio.v1beta.CA',
        'grpc.health.v1.Health',
      ]);
      const filesOf = (answer: Record<string, unknown> | undefined): (string | undefined)[] =>
        (answer?.['fileDescriptorResponse'] as { fileDescriptorProto: Buffer[] }).fileDescriptorProto.map(
          (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
        );
      expect(filesOf(legacy)).to.deep.equal([
        'fulcio_legacy.proto',
        'google/api/httpbody.proto',
        'google/protobuf/any.proto',
        'google/protobuf/empty.proto',
      ]);
      expect(filesOf(v2)).to.deep.equal(['fulcio.proto']);
      expect(none?.['errorResponse']).to.include({ errorCode: 5 });
    }
    await open.close();
  });

  it('makes no answers of reflection ahead of a client that does not read them, and goes on when it does', async () => {
    const open = await startTestService(() => ({
      grpc: { withTls: true, listen: { host: '127.0.0.1', port: 0 }, reflection: true },
    }));
    const connection = connect(`http://${open.grpcListen ?? ''}`, { settings: { initialWindowSize: 0 } });
    const stream = begin(connection, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo');
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    const COUNT = 200;
    // file_by_filename.
    const question = framed(Buffer.concat([Buffer.from([0x1a, 12]), Buffer.from('fulcio.proto')]));
    stream.end(Buffer.concat(Array.from({ length: COUNT }, () => question)));
    const sent = async (): Promise<number> => {
      const text = await (await fetch(`${open.metricsUrl}/metrics`)).text();
      const [, count = '0'] =
        /^grpc_server_msg_sent_total{[^}]*reflection.v1.ServerReflection[^}]*} (\d+)/m.exec(text) ?? [];
      return Number(count);
    };
    while ((await sent()) === 0);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => connection.ping(resolve));
    expect(await sent()).to.be.within(1, 40);
    const ended = once(stream, 'end');
    connection.settings({ initialWindowSize: 1024 * 1024 });
    await ended;
    expect(await sent()).to.equal(COUNT);
    expect(bytes).to.be.greaterThan(COUNT * 1000);
    connection.close();
    await open.close();
  });

  it('works on the signing calls of a connection in turn, and side by side once a token was verified on it', async () => {
    let entered = 0;
    let open: () => void = () => undefined;
    let opened = new Promise<void>((resolve) => (open = resolve));
    const own = await startTestService(({ log }) => ({
      grpcListen: { host: '127.0.0.1', port: 0 },
      log: {
        ...log,
        append: async (entry) => {
          entered++;
          await opened;
          return log.append(entry);
        },
      },
    }));
    const connection = connectTo(own.grpcListen ?? '');
    const message = framed(signingMessage(await emailToken(own), clientKey()));
    const three = (): Promise<{ headers: unknown }>[] => [1, 2, 3].map(() => send(connection, SIGN, message));
    const until = async (count: number): Promise<void> => {
      while (entered < count) await new Promise((resolve) => setImmediate(resolve));
    };
    const inTurn = three();
    await until(1);
    // Another connection gets all the way there meanwhile.
    const other = connectTo(own.grpcListen ?? '');
    const others = send(other, SIGN, message);
    await until(2);
    expect(entered).to.equal(2);
    open();
    for (const answer of await Promise.all([...inTurn, others]))
      expect(answer.headers).to.include({ 'grpc-status': '0' });
    opened = new Promise<void>((resolve) => (open = resolve));
    const together = three();
    await until(7);
    open();
    for (const answer of await Promise.all(together))
      expect(answer.headers).to.include({ 'grpc-status': '0' });
    for (const one of [connection, other]) one.close();
    await own.close();
  });

  it('works side by side on the signing calls of several clients whose proxy has one connection for them', async () => {
    let entered = 0;
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const own = await startTestService(({ log }) => ({
      grpcListen: { host: '127.0.0.1', port: 0 },
      trustedProxies: ['127.0.0.1'],
      log: {
        ...log,
        append: async (entry) => {
          entered++;
          await opened;
          return log.append(entry);
        },
      },
    }));
    const connection = connectTo(own.grpcListen ?? '');
    const message = framed(signingMessage(await emailToken(own), clientKey()));
    const of = (client: string): Promise<{ headers: unknown }> =>
      send(connection, SIGN, message, { 'x-forwarded-for': client });
    const first = [of('192.0.2.1'), of('192.0.2.1')];
    const second = of('192.0.2.2');
    // Neither the call that is under way nor the one behind it is in the way of another client.
    while (entered < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(entered).to.equal(2);
    open();
    for (const answer of await Promise.all([...first, second]))
      expect(answer.headers).to.include({ 'grpc-status': '0' });
    connection.close();
    await own.close();
  });
});
