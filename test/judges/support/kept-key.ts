/** A key that is kept beyond its certificate, or used before it has one: what no client of good faith does. */
import { createSign, generateKeyPairSync } from 'node:crypto';
import { bundleToJSON } from '@sigstore/bundle';
import { FulcioSigner, MessageSignatureBundleBuilder, TSAWitness, type Signature } from '@sigstore/sign';
import { SIGNER, type ExportedInstance } from './exported-instance.ts';

/** It, as a signer of sigstore-js without a certificate. */
export interface KeptKey {
  sign(data: Buffer): Promise<Signature>;
}

/** A new one. */
export function newKey(): KeptKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return {
    sign: (data) =>
      Promise.resolve({
        signature: createSign('sha256').update(data).sign(privateKey),
        key: { $case: 'publicKey', publicKey: pem },
      }),
  };
}

/** A signature of `data` by the key, with a certificate for it that the service issues now. */
export async function certified(service: ExportedInstance, key: KeptKey, data: Buffer): Promise<Signature> {
  const identityProvider = { getToken: () => service.token(SIGNER) };
  const fulcio = new FulcioSigner({ identityProvider, keyHolder: key, fulcioBaseURL: service.url });
  return await fulcio.sign(data);
}

/** A bundle of the signature, which need not be of now, with a timestamp that the service issues now. */
export async function stamped(
  service: ExportedInstance,
  signature: Signature,
  data: Buffer,
): Promise<unknown> {
  const witnesses = [new TSAWitness({ tsaBaseURL: service.url })];
  const signer = { sign: () => Promise.resolve(signature) };
  return bundleToJSON(await new MessageSignatureBundleBuilder({ signer, witnesses }).create({ data }));
}
