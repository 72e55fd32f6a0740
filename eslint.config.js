// For `npx eslint web`: no dependency but eslint itself.
const browser = ['AbortController', 'CSS', 'CustomEvent', 'DOMParser', 'IntersectionObserver', 'Intl', 'URL', 'URLSearchParams',
  'clearTimeout', 'console', 'document', 'fetch', 'navigator', 'requestAnimationFrame', 'setTimeout', 'window']

export default [
  {
    files: ['web/**/*.js'],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: 'module',
      globals: Object.fromEntries(browser.map((name) => [name, 'readonly']))
    },
    rules: {
      'no-undef': 'error',
      'no-unused-vars': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      eqeqeq: 'error',
      'no-restricted-properties': ['error', { property: 'innerHTML' }, { property: 'outerHTML' }, { property: 'insertAdjacentHTML' }]
    }
  }
]
