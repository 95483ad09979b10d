/**
 * Fulcio's start-up rule for issuers of type `uri`: an issuer may only speak for subjects on its own domain. The
 * sentences are Fulcio's. Like there, "own domain" means that the last two labels agree, so a public suffix of two
 * labels (`co.uk`) is too wide: name hosts exactly.
 */

/** What is wrong with the pair, or undefined. */
export function uriDomainProblem(subjectDomain: string, issuerUrl: string): string | undefined {
  if (subjectDomain === '') return 'uri issuer must have SubjectDomain set';
  const subject = schemeAndHost(subjectDomain);
  const issuer = schemeAndHost(issuerUrl);
  if (subject === undefined) return 'SubjectDomain for uri must contain scheme';
  if (issuer === undefined) return 'issuer for uri must contain scheme';
  if (subject.scheme !== issuer.scheme)
    return `subject (${subject.scheme}) and issuer (${issuer.scheme}) URI schemes do not match`;
  return hostProblem(subject.host, issuer.host);
}

function hostProblem(subject: string, issuer: string): string | undefined {
  if (subject === issuer) return undefined;
  for (const host of [subject, issuer])
    if (host.split('.').length < 2) return `URI hostname too short: ${host}`;
  const [a, b] = [subject, issuer].map((host) => host.split('.').slice(-2).join('.'));
  if (a === b) return undefined;
  return `hostname top-level and second-level domains do not match: ${subject}, ${issuer}`;
}

/** As Go's url.Parse: the scheme in lower case, the host as written, without user and port. */
function schemeAndHost(text: string): { scheme: string; host: string } | undefined {
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*))?/i.exec(text);
  if (match === null) return undefined;
  return { scheme: (match[1] ?? '').toLowerCase(), host: (match[2] ?? '').replace(/^\[|\]$/g, '') };
}
