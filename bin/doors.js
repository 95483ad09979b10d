// What of the engine would let somebody else at the keys of a process that serves. Plain JavaScript for old engines.

const DEBUGGER = 'lets any user of this machine run code in the process and read its keys';
const MEMORY = 'writes the memory of the process, and with it its keys, into a file';
const ENVIRONMENT = 'writes the environment of the process into a file';
const TRAFFIC = 'writes down what is sent encrypted, identity tokens among it';
const CODE = 'runs code beside the keys that is not of this program';
const OTHERS = 'may set any option of the engine';
const TRUST = 'takes away a check of what comes from the network';

/** Options of Node by their names, with "-" for "_", and what each does. Longer ones that begin alike are of the kind. */
const OPTIONS = [
  [/^(inspect|debug-port)/, DEBUGGER],
  [/^(heapsnapshot-|abort-on-uncaught-exception$)/, MEMORY],
  [/^report-(on-|uncaught-)/, ENVIRONMENT],
  [/^(tls-keylog|trace-tls)$/, TRAFFIC],
  [/^(r|require|import|loader|experimental-loader|i|interactive|snapshot-blob)$/, CODE],
  [/^(env-file|experimental-config-file|experimental-default-config-file)/, OTHERS],
  [/^(insecure-http-parser|security-revert|tls-min-v1\.[01])$/, TRUST],
];

/** Variables of the environment, what each does, and the value that does it; undefined for any. */
const VARIABLES = [
  ['NODE_DEBUG', TRAFFIC],
  ['NODE_DEBUG_NATIVE', TRAFFIC],
  ['NODE_TLS_REJECT_UNAUTHORIZED', TRUST, '0'],
];

/** A sentence for each option and variable that a process that serves must not be started with. `execArgv` and
 * `environment` as `process` has them. */
export function openDoors(execArgv, environment) {
  const inVariable = (environment.NODE_OPTIONS ?? '').replaceAll(/["\\]/g, '').split(/\s+/);
  return [
    ...optionsIn(execArgv).map(([name, effect]) => `the option ${name} of Node ${effect}`),
    ...optionsIn(inVariable).map(([name, effect]) => `${name} in NODE_OPTIONS ${effect}`),
    ...variablesIn(environment),
  ];
}

/** Pairs of an option, without its value, and its effect. */
function optionsIn(words) {
  const names = words.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0]);
  return names.flatMap((name) => {
    const plain = name.replace(/^--?/, '').replaceAll('_', '-');
    return OPTIONS.filter(([pattern]) => pattern.test(plain)).map(([, effect]) => [name, effect]);
  });
}

function variablesIn(environment) {
  return VARIABLES.filter(([name, , value]) => {
    const found = environment[name];
    return value === undefined ? (found ?? '') !== '' : found === value;
  }).map(([name, effect]) => `${name} in the environment ${effect}`);
}
