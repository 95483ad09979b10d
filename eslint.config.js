import { readFileSync } from 'node:fs';
import js from '@eslint/js';
import regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

const { devDependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const DEVELOPMENT = Object.keys(devDependencies);

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'server/grpc/protobuf', 'test/vectors'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-globals': [
        'error',
        // The DOM types are loaded for @peculiar/x509's sake; the browser's globals are not ours to use.
        ...['window', 'document', 'localStorage', 'name', 'event', 'status', 'location'],
      ],
    },
  },
  {
    // The engine backtracks, and most of what these expressions read was written by others: none may take more than
    // linear time. Expressions of an operator run in RE2 (policy/rules/regular-expression.ts).
    files: ['**/*.ts', 'bin/*.js'],
    ignores: ['test/**', 'bench/**', 'abuse/**', 'campaign/**', 'scripts/**'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential', ignorePartial: false }],
    },
  },
  {
    // What reaches a terminal goes through `cli/program/command.ts`, which lets nothing through that is not printable.
    files: ['**/*.ts'],
    ignores: ['test/**', 'bench/**', 'abuse/**', 'campaign/**', 'scripts/**', 'cli/program/command.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "CallExpression[callee.property.name='write'][callee.object.property.name=/^(stdout|stderr)$/]",
          message:
            'Write with the Speaker or `notify` of cli/program/command.ts: they escape what is not printable.',
        },
      ],
    },
  },
  {
    // An installed Mayfly has no packages of development: what they say of types is gone by then.
    files: ['**/*.ts'],
    ignores: ['test/**', 'bench/**', 'abuse/**', 'campaign/**', 'scripts/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { paths: DEVELOPMENT.map((name) => ({ name, allowTypeImports: true })) },
      ],
    },
  },
  {
    // Chai's assertions are property reads, and mocha's `this` carries the timeout.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  {
    files: ['bin/*.js', 'scripts/*.js', 'eslint.config.js'],
    languageOptions: { globals: { process: 'readonly', URL: 'readonly', console: 'readonly' } },
  },
);
