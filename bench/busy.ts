/**
 * Keeps a core as busy as the load generator does, with work of its kind (text, buffers, collections): two virtual
 * cores often share one physical core, and then raw cryptography too is slower while the other one works.
 */
const body = JSON.stringify({ token: 'x'.repeat(2000), list: Array.from({ length: 50 }, (_, i) => i) });
process.stdout.write('ready\n');
for (;;) {
  const buffer = Buffer.from(body);
  JSON.parse(buffer.toString());
}
